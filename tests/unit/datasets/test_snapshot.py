from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pytest

from ml_platform.datasets.query import dataset_sql
from ml_platform.datasets.snapshot import export_snapshot, latest, list_snapshots, open_snapshot
from ml_platform.errors import ArtifactTamperedError, DataError, NotFoundError, SchemaMismatchError

END = datetime(2011, 1, 11, tzinfo=UTC)


@pytest.fixture
def export(warehouse, dataset, store, tmp_path):
    def export(as_of=END, dataset=dataset, upstream=None, **options):
        snapshot = export_snapshot(
            "returns",
            dataset,
            warehouse,
            store,
            as_of=as_of,
            upstream=upstream or {},
            **options,
        )
        assert [path.name for path in warehouse.scratch.iterdir()] == ["lock"]
        return snapshot

    return export


def keys(store):
    return [info.key for info in store.list()]


def test_a_snapshot_holds_the_query_rows(export, warehouse, dataset):
    snapshot = export(upstream={"features/orders": "abc"})
    assert snapshot.created
    assert snapshot.table() == warehouse.table(*dataset_sql(dataset, warehouse.dialect, as_of=END))
    manifest = snapshot.manifest
    assert (manifest.rows, manifest.positives) == (
        100,
        snapshot.table(["returned"]).to_pydict()["returned"].count(1),
    )
    assert (manifest.first_event, manifest.last_event) == (END - timedelta(days=10), END - timedelta(hours=2))
    assert manifest.upstream == {"features/orders": "abc"}
    assert [(c.name, c.type) for c in manifest.columns][1] == ("occurred_at", "timestamp[us, tz=UTC]")


def test_exported_again_it_writes_nothing(export, store):
    first, before = export(), {info.key: info.generation for info in store.list()}
    again = export(upstream={"other": "x"})
    assert not again.created
    assert again.manifest == first.manifest
    assert {info.key: info.generation for info in store.list()} == before


def test_one_changed_cell_is_another_version_and_its_undoing_the_first(export, warehouse):
    first = export()
    warehouse.execute("UPDATE shop.orders SET amount = amount + 0.01 WHERE order_id = 'o7'")
    second = export()
    warehouse.execute("CREATE OR REPLACE TABLE shop.orders AS FROM shop.orders ORDER BY amount DESC")
    assert second.version == export().version != first.version
    assert second.created


def test_columns_are_read_in_the_order_asked_for(export):
    snapshot = export()
    assert snapshot.table(["returned", "amount"]).column_names == ["returned", "amount"]
    assert next(snapshot.batches(batch_rows=7)).num_rows == 7
    with pytest.raises(NotFoundError, match="no columns \\['price'\\]"):
        snapshot.table(["price"])


def test_a_snapshot_can_have_many_files(export, monkeypatch):
    monkeypatch.setattr("ml_platform.datasets.snapshot.ROWS_PER_FILE", 30)
    snapshot = export()
    assert [file.rows for file in snapshot.manifest.files] == [30, 30, 30, 10]
    monkeypatch.undo()
    assert not export().created, "the split into files is no part of the version"
    assert snapshot.table().num_rows == 100


def test_snapshots_are_listed_by_as_of(export, store):
    assert latest(store, "returns") is None
    newest, older = export(), export(END - timedelta(days=3))
    assert [s.version for s in list_snapshots(store, "returns")] == [older.version, newest.version]
    assert latest(store, "returns").version == newest.version
    assert open_snapshot(store, "returns", older.version).manifest == older.manifest
    assert list_snapshots(store, "return") == []


def test_a_missing_snapshot_is_said_to_be(store):
    with pytest.raises(NotFoundError, match="no snapshot abc"):
        open_snapshot(store, "returns", "abc")


def tamper(store, key):
    content = bytearray(store.read(key)[0])
    content[len(content) // 2] ^= 1
    store.write(key, bytes(content))


def test_a_tampered_file_is_refused(export, store):
    snapshot = export()
    tamper(store, snapshot.manifest.files[0].key)
    with pytest.raises(ArtifactTamperedError, match="SHA-256"):
        snapshot.table()


@pytest.mark.parametrize("damage", ["gone", "cut"])
def test_files_that_were_lost_are_exported_again(export, store, damage):
    first = export()
    rows, key = first.table(), first.manifest.files[0].key
    content = store.read(key)[0]
    store.delete(key) if damage == "gone" else store.write(key, content[: len(content) // 2])
    assert not first.is_whole
    again = export(upstream={"other": "x"})
    assert again.created
    assert again.is_whole
    assert again.table() == rows
    assert again.manifest == first.manifest


def test_the_remedy_for_a_tampered_file_works_as_it_says(export, store):
    snapshot = export()
    tamper(store, snapshot.manifest.files[0].key)
    store.delete(next(key for key in keys(store) if key.endswith("manifest.json")))
    assert export().table().num_rows == snapshot.manifest.rows


@pytest.mark.parametrize("content", [b"", b"{}", b'{"format_version": 2}'])
def test_a_tampered_manifest_is_refused(export, store, content):
    snapshot = export()
    key = next(key for key in keys(store) if key.endswith("manifest.json"))
    store.write(key, content)
    with pytest.raises(ArtifactTamperedError, match="not a manifest"):
        open_snapshot(store, "returns", snapshot.version)


def test_a_file_without_a_manifest_is_no_snapshot(export, store):
    snapshot = export()
    store.delete(keys(store)[0])
    assert list_snapshots(store, "returns") == []
    leftover = f"datasets/returns/{snapshot.version}/part-00000-0123456789abcdef.parquet"
    store.write(leftover, b"half")
    assert export().created
    assert leftover not in keys(store)


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"events": "shop.nothing"}, NotFoundError, "shop.nothing"),
        (
            {"features": ("amount", "colour")},
            SchemaMismatchError,
            "shop.orders has no columns \\['colour'\\]",
        ),
        ({"keys": ("card",)}, SchemaMismatchError, "card"),
    ],
)
def test_a_declaration_that_does_not_fit_is_refused_by_name(export, store, dataset, change, error, message):
    with pytest.raises(error, match=message):
        export(dataset=dataset.model_copy(update=change))
    assert keys(store) == []


def test_no_events_are_refused(export, store):
    with pytest.raises(DataError, match="no events"):
        export(datetime(1999, 1, 1, tzinfo=UTC))
    assert keys(store) == []


def test_a_killed_export_leaves_no_scratch_files(export, warehouse):
    killed = warehouse.scratch / "export-killed"
    killed.mkdir(parents=True)
    (killed / "lock").touch()
    (killed / "part-00000.parquet").write_bytes(b"half")
    export()
    assert not killed.exists()


def test_batches_are_arrow(export):
    assert all(isinstance(batch, pa.RecordBatch) for batch in export().batches(["amount"]))
