"""Syncs as assets: what is refused, what a person may override, and what the graph shows of it."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from samples.views import reading, release
from support.online import Bench, bench, customer, day

from assets.bank.sources import CUSTOMERS
from ml_platform.errors import ConfigurationError, NotFoundError
from ml_platform.features.online.sqlite.store import SQLiteOnlineStore
from ml_platform.models.releases.registry import Registry
from ml_platform.orchestration.assets.dataset import dataset_asset
from ml_platform.orchestration.assets.online import SyncConfig, online_definitions
from ml_platform.orchestration.assets.raw import calendar_of
from ml_platform.orchestration.assets.view_usage import say_who_uses
from ml_platform.orchestration.dbt.calendars import RelationCalendars
from ml_platform.orchestration.planning.calendars import Calendars
from ml_platform.orchestration.planning.sync_run import sync_now
from ml_platform.orchestration.planning.up_to_date import Report
from ml_platform.storage.folder import FolderStore
from ml_platform.use_case import UseCase

BANK = UseCase(name="bank", owner="team:bank", description="Who there is.", sources=(CUSTOMERS,))
CALENDAR = calendar_of(CUSTOMERS)
MANIFEST = {
    "nodes": {
        "model.customers": {
            "schema": "features",
            "name": "customers",
            "resource_type": "model",
            "depends_on": {"nodes": ["source.customers"]},
        }
    },
    "sources": {"source.customers": {"schema": "raw", "name": "customers", "resource_type": "source"}},
}
"""Of dbt: the relation of the view is made from the source, and follows its calendar."""

ONLINE, RELATION = dg.AssetKey(["online", "customers"]), dg.AssetKey(["features", "customers"])


class Graph:
    """The online assets of some use cases, and what they run on."""

    def __init__(self, folder: Path, instance: dg.DagsterInstance) -> None:
        self.bench: Bench = bench(folder, SQLiteOnlineStore(folder / "online.db"))
        self.registry = FolderStore(folder / "registry")
        self.instance, self.place = instance, "here"
        Calendars(instance).extend(CALENDAR, [day(0).date().isoformat()])
        self.bench.rows([customer("a", 0, n=1), customer("b", 0, n=2)])
        instance.report_runless_asset_event(dg.AssetMaterialization(RELATION))
        self.use_cases = [reading("churn", self.bench.view, "n"), reading("fraud", self.bench.view, "mean")]

    def definitions(self) -> dg.Definitions:
        resources = {
            "warehouse": self.bench.warehouse,
            "online_store": self.bench.store,
            "objects": self.bench.states,
            "registry": self.registry,
        }
        made = online_definitions(self.use_cases, self.place, RelationCalendars([BANK], MANIFEST))
        described = dg.TableSchema([dg.TableColumn("n", description="How many.")])
        relation = dg.AssetSpec(RELATION, metadata={"dagster/column_schema": described})
        return dg.Definitions.merge(
            made, dg.Definitions([relation], resources=resources, executor=dg.in_process_executor)
        )

    def declare(self, *features: str) -> None:
        """Have the view declare other features, and no dataset read it any more."""
        self.bench.view = self.bench.view.model_copy(update={"features": features})
        self.use_cases = [reading(use_case.name, self.bench.view) for use_case in self.use_cases]

    def sync(self, **config: Any) -> tuple[Report, dict[str, Any]]:
        report, figures = sync_now(self.definitions(), self.instance, "customers", SyncConfig(**config))
        return report, dict(figures)

    def refused(self, **config: Any) -> str:
        """The reason that a sync was refused; nothing was shipped."""
        before = self.bench.store.record("customers")
        report, figures = self.sync(**config)
        assert not report.ok
        assert not figures
        assert self.bench.store.record("customers") == before
        return report.failed[ONLINE]


@pytest.fixture
def graph(tmp_path: Path) -> Iterator[Graph]:
    with dg.DagsterInstance.ephemeral() as instance:
        yield Graph(tmp_path, instance)


def spec_of(definitions: dg.Definitions, key: dg.AssetKey) -> dg.AssetSpec:
    return next(spec for spec in definitions.resolve_all_asset_specs() if spec.key == key)


def test_a_view_of_two_use_cases_is_one_asset_that_says_who_reads_it(graph: Graph) -> None:
    spec = spec_of(graph.definitions(), ONLINE)
    assert spec.metadata["used by"] == "churn/model: n; fraud/model: mean"
    assert (spec.owners, spec.group_name) == (["team:churn", "team:fraud"], "churn")
    relation = dg.Definitions(assets=[dg.AssetSpec(RELATION)])
    noted = spec_of(say_who_uses(relation, graph.use_cases), RELATION)
    assert noted.metadata["used by"] == "churn/model: n; fraud/model: mean"
    dataset = dataset_asset(reading("other", graph.bench.view, "n", syncs=False), CALENDAR, [])
    assert RELATION in dataset.dependency_keys


def test_a_view_is_stale_when_it_is_to_be_kept_elsewhere(graph: Graph) -> None:
    before = spec_of(graph.definitions(), ONLINE).code_version
    assert spec_of(graph.definitions(), ONLINE).code_version == before
    graph.place = "elsewhere"
    assert spec_of(graph.definitions(), ONLINE).code_version != before


def test_two_declarations_of_one_name_are_refused_at_load(graph: Graph) -> None:
    other: UseCase = reading("other", graph.bench.view.model_copy(update={"owner": "team:other"}))
    graph.use_cases.append(other)
    with pytest.raises(
        ConfigurationError, match=r"declared twice, with another owner \(in churn and other\)"
    ):
        graph.definitions()


def test_there_is_nothing_to_sync_before_the_relation_was_made(graph: Graph) -> None:
    refusal = "nothing to sync to customers yet; run `ml-platform run` first"
    with dg.DagsterInstance.ephemeral() as graph.instance, pytest.raises(NotFoundError, match=refusal):
        graph.sync()
    assert graph.bench.store.record("customers").serving is None


def test_what_a_sync_did_is_in_figures_that_the_pages_plot(graph: Graph) -> None:
    _, first = graph.sync()
    assert first["rows added"] == 2
    assert "staleness before (s)" not in first
    graph.bench.rows([customer("a", 1, n=3)])
    _, second = graph.sync(rows_per_second=1000.0)
    assert (second["rows changed"], second["rows deleted"], second["staleness before (s)"]) == (
        1,
        1,
        86_400.0,
    )
    _, third = graph.sync()
    assert (third["rows unchanged"], third["bytes"], third["rows a second"]) == (1, 0, 0.0)
    for figures in (first, second, third):
        assert {type(value) for name, value in figures.items() if name != "plan"} <= {int, float}
    event = graph.instance.get_latest_materialization_event(ONLINE)
    assert event is not None
    assert event.asset_materialization is not None
    columns = event.asset_materialization.metadata["dagster/column_schema"].value.columns
    assert {c.name: c.description for c in columns}["n"] == "How many.", "what its origin is described as"
    lineage = event.asset_materialization.metadata["dagster/column_lineage"].value
    assert lineage.deps_by_column["n"] == [dg.TableColumnDep(asset_key=RELATION, column_name="n")]


def test_a_feature_that_a_released_model_needs_cannot_be_taken_away(graph: Graph, tmp_path: Path) -> None:
    registry = Registry(graph.registry)
    released = release(registry, tmp_path, "fraud", {"id": "string", "mean": "double", "n": "int64"})
    assert graph.sync()[0].ok
    graph.declare("n")
    told = graph.refused()
    assert f"release {released.version} of fraud/model needs customers.mean (double)" in told
    assert "features sync customers --override released_models" in told
    assert graph.bench.store.record("customers").serving is not None
    release(registry, tmp_path, "fraud", {"id": "string", "n": "int64"})
    assert graph.sync()[0].ok
    graph.bench.warehouse.execute("ALTER TABLE features.customers ALTER n SET DATA TYPE DOUBLE")
    assert "needs customers.n (int64), which is double in features.customers now" in graph.refused()
    report, figures = graph.sync(override=["released_models"])
    assert report.ok
    assert figures["rows added"] == 2
    assert [c.check_name for c in report.checks if not c.passed] == ["released_models"]
    assert "released_models" in graph.refused()


def test_a_person_overrides_a_limit_for_one_run_and_pauses_a_view(graph: Graph) -> None:
    graph.sync()
    graph.bench.rows([customer(f"new{i}", 1) for i in range(9)])
    assert "features sync customers --override blast_radius" in graph.refused()
    assert "no preconditions ['blast'] to override; it has ['blast_radius', " in graph.refused(
        override=["blast"]
    )
    graph.bench.store.pause("customers")
    report, _ = graph.sync(override=["blast_radius"])
    assert "features resume customers" in report.failed[ONLINE]
    graph.bench.store.pause("customers", paused=False)
    assert graph.sync(override=["blast_radius"])[1]["rows added"] == 9
