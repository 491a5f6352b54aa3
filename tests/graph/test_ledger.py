"""The ledger says what Dagster's log says, whatever is deleted, wiped, restored or late."""

from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest
import sqlalchemy as db
from dagster._core.storage.event_log.schema import SqlEventLogStorageTable

from ml_platform.orchestration.local.home import open_instance
from ml_platform.orchestration.planning.ledger import INPUTS, VERSION, Ledger
from ml_platform.settings import Settings

ASSET = dg.AssetKey("days")


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[dg.DagsterInstance]:
    with open_instance(Settings(home=tmp_path)) as instance:
        yield instance


def make(instance: dg.DagsterInstance, versions: dict[str, str]) -> str:
    """Materialise partitions in one run; its id."""

    @dg.op
    def write(context: dg.OpExecutionContext) -> None:
        for key, version in versions.items():
            context.log_event(
                dg.AssetMaterialization(ASSET, partition=key, metadata={VERSION: version, INPUTS: "i"})
            )

    @dg.job
    def job() -> None:
        write()

    return job.execute_in_process(instance=instance).run_id


def seen(instance: dg.DagsterInstance, *, fresh: bool = False) -> dict[str | None, str]:
    """Versions by partition, as this process or a new one sees them."""
    if fresh:
        Ledger.forget()
    return {key: built.version for key, built in Ledger.of(instance).built(ASSET).items()}


def test_a_new_process_reads_what_another_has_summarised(instance: dg.DagsterInstance) -> None:
    made = {f"2024-01-{day:02d}": str(day) for day in range(1, 20)}
    make(instance, made)
    assert seen(instance) == made
    Ledger.of(instance).summarise()
    assert seen(instance, fresh=True) == made
    make(instance, {"2024-01-01": "changed", "2024-02-01": "new"})
    assert seen(instance, fresh=True) == made | {"2024-01-01": "changed", "2024-02-01": "new"}


def test_an_outline_beside_facts_of_another_moment_is_completed_from_the_log(
    instance: dg.DagsterInstance,
) -> None:
    made = {f"2024-01-{day:02d}": str(day) for day in range(1, 20)}
    make(instance, made)
    Ledger.of(instance).summarise()
    store = instance.daemon_cursor_storage
    name = "ml_platform/ledger/3"
    before = store.get_cursor_values({name})[name]
    make(instance, {"2024-01-01": "changed"})
    Ledger.of(instance).summarise()
    store.set_cursor_values({name: before})  # as by a process that was slower
    assert seen(instance, fresh=True) == made | {"2024-01-01": "changed"}


@pytest.mark.parametrize("fresh", [False, True], ids=["the same process", "a new process"])
def test_what_a_deleted_run_made_counts_no_more(instance: dg.DagsterInstance, fresh: bool) -> None:
    make(instance, {"a": "1", "b": "1"})
    second = make(instance, {"b": "2", "c": "2"})
    assert seen(instance) == {"a": "1", "b": "2", "c": "2"}
    Ledger.of(instance).summarise()
    instance.delete_run(second)
    assert seen(instance, fresh=fresh) == {"a": "1", "b": "1"}
    make(instance, {"d": "3"})  # SQLite gives it the numbers of the one that was deleted
    assert seen(instance, fresh=fresh) == {"a": "1", "b": "1", "d": "3"}


def test_an_old_run_that_is_deleted_or_replaced_is_noticed(
    instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ml_platform.orchestration.planning.storage._TAIL", 1)  # its events are long ago
    first = make(instance, {"z": "0"})
    make(instance, {"a": "1"})
    second = make(instance, {"b": "2"})
    seen(instance)
    instance.delete_run(second)
    make(instance, {"c": "3"})
    assert seen(instance) == {"a": "1", "c": "3", "z": "0"}
    instance.delete_run(first)
    assert seen(instance) == {"a": "1", "c": "3"}


def test_a_wiped_asset_is_as_if_never_made(instance: dg.DagsterInstance) -> None:
    make(instance, {"a": "1", "b": "1"})
    assert seen(instance)
    instance.wipe_assets([ASSET])
    assert seen(instance) == {}
    make(instance, {"b": "2"})
    assert seen(instance) == {"b": "2"}
    assert seen(instance, fresh=True) == {"b": "2"}


def test_an_event_that_is_committed_late_is_read(instance: dg.DagsterInstance) -> None:
    """A server may show number 5 before number 4, whose transaction began earlier and ended later."""
    make(instance, {"a": "1", "b": "1", "c": "1"})
    table = SqlEventLogStorageTable
    with instance.event_log_storage.index_connection() as connection:
        late = connection.execute(db.select(table).where(table.c.partition == "b")).mappings().one()
        connection.execute(table.delete().where(table.c.id == late["id"]))
    assert seen(instance) == {"a": "1", "c": "1"}
    with instance.event_log_storage.index_connection() as connection:
        connection.execute(table.insert().values(**late))
    assert seen(instance) == {"a": "1", "b": "1", "c": "1"}
