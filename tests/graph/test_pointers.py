"""Every change of a pointer is an event of the champion's asset, once, whoever made it and whenever it is told."""

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from samples.candidates import candidate_files, manifest

from ml_platform.checks import CheckOutcome
from ml_platform.errors import MLPlatformError
from ml_platform.models.releases.manifest import AuditEntry, Release
from ml_platform.models.releases.registry import Registry
from ml_platform.orchestration.planning.check_states import check_states
from ml_platform.orchestration.planning.ledger import INPUTS, VERSION, Ledger
from ml_platform.orchestration.pointers import (
    JUDGED,
    champion_key,
    release_facts,
    report_changes,
    stages_facts,
)
from ml_platform.storage.folder import FolderStore

NAME = ("parcels", "model")
KEY = champion_key(*NAME)


def judged(release: Release) -> list[CheckOutcome]:
    return [CheckOutcome(JUDGED, True, f"{release.version} passed its gate")]


class House:
    """A registry and Dagster's book, with the champion's asset made by hand as the graph makes it."""

    def __init__(self, folder: Path, instance: dg.DagsterInstance) -> None:
        self.folder, self.instance = folder, instance
        self.registry = Registry(FolderStore(folder / "registry"))

    def release(self, model: str, stage: str = "champion") -> str:
        files = candidate_files(self.folder / model, model.encode())
        return self.registry.release(
            *NAME, files, manifest(run_id=None), stage=stage, who="ada", why="new data"
        ).version

    def make(self, model: str) -> str:
        """Materialise the champion: promote, and record it."""
        version = self.release(model)
        release = self.registry.current(*NAME)
        assert release
        facts = {**release_facts(self.registry, release), **stages_facts(self.registry, release)}
        self.instance.report_runless_asset_event(
            dg.AssetMaterialization(
                KEY,
                metadata={**facts, VERSION: release.version, INPUTS: f"made from {model}"},
                tags={"dagster/code_version": "2", "dagster/data_version": release.version},
            )
        )
        return version

    def report(self) -> list[AuditEntry]:
        return report_changes(self.registry, self.instance, *NAME, judged)

    def champion(self) -> dg.AssetMaterialization:
        event = self.instance.get_latest_materialization_event(KEY)
        assert event
        assert event.asset_materialization
        return event.asset_materialization

    def told(self) -> list[tuple[str, str]]:
        """Every change that an event tells of, in the order of the events."""
        records = [
            *self.instance.fetch_materializations(KEY, limit=1000).records,
            *self.instance.fetch_observations(KEY, limit=1000).records,
        ]
        events: list[Any] = [
            record.asset_materialization or record.asset_observation
            for record in sorted(records, key=lambda record: record.storage_id)
        ]
        said = [event.metadata for event in events if "change" in event.metadata]
        return [(str(one["change"].value), str(one["now"].value)) for one in said]


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    with dg.DagsterInstance.ephemeral() as instance:
        yield House(tmp_path, instance)


def test_a_rollback_is_the_newest_event_of_the_champion_and_says_who_and_why(house: House) -> None:
    first, second = house.make("a"), house.make("b")
    house.registry.rollback(*NAME, who="on-call", why="alerts doubled")
    (entry,) = house.report()
    assert (entry.action, entry.version) == ("rollback", first)
    now = house.champion()
    said = {name: value.value for name, value in now.metadata.items()}
    assert (said["release"], said["before"], said["who"], said["why"]) == (
        first,
        second,
        "on-call",
        "alerts doubled",
    )
    assert f"{first} was rolled back to as the champion by on-call: alerts doubled" == now.description
    assert "on-call" in str(said["model card"])
    check = dg.AssetCheckKey(KEY, JUDGED)
    assert check_states(house.instance, [check])[check].description == f"{first} passed its gate"


def test_a_champion_that_was_rolled_back_to_is_as_stale_as_the_one_that_was_left(house: House) -> None:
    first, _ = house.make("a"), house.make("b")
    house.registry.rollback(*NAME, who="on-call", why="x")
    house.report()
    (built,) = Ledger.of(house.instance).built(KEY).values()
    assert (built.version, built.inputs) == (first, "made from b")
    assert house.champion().tags == {"dagster/code_version": "2", "dagster/data_version": first}


def test_shadows_are_observed_from_their_beginning_to_their_end(house: House) -> None:
    version = house.make("a")
    trial = house.release("b", stage="trial")
    house.registry.clear(*NAME, "trial", who="grace", why="it is over")
    assert [entry.action for entry in house.report()] == ["release", "clear"]
    assert house.told() == [("release of trial", trial), ("clear of trial", "nothing")]
    assert house.champion().metadata["release"].value == version
    assert house.report() == []


def test_an_asset_that_was_never_made_is_left_alone_and_knows_all_once_it_is(house: House) -> None:
    house.release("a")
    assert house.report() == []
    house.make("b")
    assert house.report() == []
    assert house.told() == []


def test_a_registry_that_was_put_back_is_told_as_it_is_now(house: House, tmp_path: Path) -> None:
    house.make("a")
    house.make("b")
    other = House(tmp_path / "other", house.instance)
    version = other.release("c")
    (entry,) = other.report()
    assert entry.version == version
    assert other.champion().metadata["release"].value == version
    assert other.report() == []


OPERATIONS = st.lists(
    st.tuples(
        st.sampled_from(["make", "shadow", "rollback", "clear", "report", "killed"]), st.sampled_from("abc")
    ),
    max_size=12,
)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(operations=OPERATIONS)
def test_whatever_happens_each_change_is_told_once_and_in_order(operations: list[tuple[str, str]]) -> None:
    """Also when who reports is killed after the first of several events."""
    with tempfile.TemporaryDirectory() as folder, dg.DagsterInstance.ephemeral() as instance:
        house = House(Path(folder), instance)
        house.make("first")
        made = {("champion", 1)}
        for operation, model in operations:
            try:
                if operation == "make":
                    house.report()
                    before = house.registry.history(*NAME)
                    house.make(model)
                    made |= {(e.stage, e.sequence) for e in house.registry.history(*NAME)[len(before) :]}
                elif operation == "shadow":
                    house.release(model, stage=f"trial_{model}")
                elif operation == "rollback":
                    house.registry.rollback(*NAME, who="on-call", why="x")
                elif operation == "clear":
                    house.registry.clear(*NAME, f"trial_{model}", who="grace", why="x")
                elif operation == "killed":
                    with pytest.MonkeyPatch.context() as patch:
                        _dies_after_one(patch, instance)
                        house.report()
                else:
                    house.report()
            except (MLPlatformError, KeyboardInterrupt):
                continue
        house.report()
        assert house.report() == []
        wanted = [
            (e.at, e.stage, e.sequence, f"{e.action} of {e.stage}", e.version or "nothing")
            for stage in house.registry.stage_names(*NAME)
            for e in house.registry.history(*NAME, stage)
            if (e.stage, e.sequence) not in made
        ]
        assert house.told() == [one[-2:] for one in sorted(wanted)]
        champion = house.registry.promotion(*NAME)
        assert champion
        assert house.champion().metadata["release"].value == champion.version


def _dies_after_one(patch: pytest.MonkeyPatch, instance: dg.DagsterInstance) -> None:
    report, told = instance.report_runless_asset_event, []

    def once(event: Any) -> None:
        if told:
            raise KeyboardInterrupt
        told.append(event)
        report(event)

    patch.setattr(instance, "report_runless_asset_event", once)
