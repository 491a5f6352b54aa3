"""A slip between a use case and dbt's YAML is told by name when the project is loaded."""

from datetime import timedelta
from typing import Any

import dagster as dg
import pytest

from ml_platform.cadence import Cadence
from ml_platform.errors import ConfigurationError
from ml_platform.ingestion.source import RawColumn, RawSource
from ml_platform.orchestration.assets.relations import require_relations
from ml_platform.orchestration.dbt.calendars import RelationCalendars
from ml_platform.use_case import Dataset, FeatureView, Label, UseCase

READINGS = RawSource(
    name="readings", cadence=Cadence.HOURLY, columns={"read_at": RawColumn(kind="timestamp")}
)
VIEW = FeatureView(name="newest", relation="features.newest", entity=("meter_id",), features=("kwh",))
LABEL = Label(
    relation="features.next_hour",
    id="reading_id",
    available_at="available_at",
    value="kwh",
    delay=timedelta(hours=1),
)
POWER = UseCase(
    name="power",
    owner="team:grid",
    description="For tests.",
    sources=(READINGS,),
    dataset=Dataset(events="features.hourly", id="reading_id", features=("kwh",), label=LABEL),
    feature_views=(VIEW,),
)


def manifest(**columns: str) -> dict[str, Any]:
    """Of a project whose YAML describes the table of readings with these columns."""
    source = {
        "resource_type": "source",
        "schema": "raw",
        "name": "readings",
        "original_file_path": "models/power.yml",
        "columns": {name: {"data_type": kind} for name, kind in columns.items()},
    }
    return {"nodes": {}, "sources": {"source.project.raw.readings": source}}


def test_a_partition_column_that_the_yaml_describes_is_accepted() -> None:
    RelationCalendars([POWER], manifest(hour="timestamp")).check_described()


@pytest.mark.parametrize("columns", [{}, {"day": "date"}, {"hour": "date"}])
def test_another_partition_column_is_refused_with_the_line_to_add(columns: dict[str, str]) -> None:
    with pytest.raises(
        ConfigurationError, match=r"models/power\.yml: raw\.readings is hourly.*hour, data_type: timestamp"
    ):
        RelationCalendars([POWER], manifest(**columns)).check_described()


def test_the_sources_of_a_relation_are_found_however_far_back() -> None:
    others = RawSource(name="meters", columns={"meter_id": RawColumn(kind="identifier")}, unique="meter_id")
    found = manifest(hour="timestamp")
    found["sources"]["source.project.raw.meters"] = {
        **found["sources"]["source.project.raw.readings"],
        "name": "meters",
    }
    reads = {
        "staged": ["source.project.raw.readings"],
        "hourly": ["model.project.staged"],
        "both": ["model.project.hourly", "source.project.raw.meters"],
        "neither": [],
    }
    for name, nodes in reads.items():
        found["nodes"][f"model.project.{name}"] = {
            "resource_type": "model",
            "schema": "features",
            "name": name,
            "depends_on": {"nodes": nodes},
        }
    power = POWER.model_copy(update={"sources": (READINGS, others)})
    calendars = RelationCalendars([power], found)
    assert calendars.origins("raw.readings") == [READINGS]
    assert calendars.origins("features.hourly") == [READINGS]
    assert calendars.origins("features.both") == [others, READINGS]
    assert calendars.origins("features.neither") == []


def made(*relations: str) -> list[dg.AssetSpec]:
    """Specs of a graph whose dataset names all that the declaration names, made or not."""
    named = ("features.hourly", "features.next_hour", "features.newest")
    dataset = dg.AssetSpec("dataset", deps=[dg.AssetKey(one.split(".")) for one in named])
    assets = [dataset, *(dg.AssetSpec(dg.AssetKey(one.split("."))) for one in relations)]
    return list(dg.Definitions(assets=assets).resolve_all_asset_specs())


def test_relations_that_are_made_are_accepted() -> None:
    require_relations(made("features.hourly", "features.next_hour", "features.newest"), [POWER])


@pytest.mark.parametrize(
    ("relations", "said"),
    [
        (("features.hourly", "features.newest"), r"power: dataset\.label\.relation is 'features\.next_hour'"),
        (
            ("features.hourly", "features.next_hour", "features.newests"),
            r"view newest is 'features\.newest'.*did you mean 'features\.newests'",
        ),
    ],
)
def test_a_relation_that_nothing_makes_is_refused(relations: tuple[str, ...], said: str) -> None:
    with pytest.raises(ConfigurationError, match=said):
        require_relations(made(*relations), [POWER])
