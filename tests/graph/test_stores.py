"""Comparing stores with the records of what was written to them."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

import dagster as dg
import pytest

from ml_platform.errors import ConfigurationError, LockTimeoutError
from ml_platform.orchestration.planning.facts import INPUTS, VERSION
from ml_platform.orchestration.planning.ledger import Ledger
from ml_platform.orchestration.planning.stores import Recorded, Store, Void, compare, everything, note_written

KEY = dg.AssetKey(["raw", "things"])
PARTS = ("2024-01-01", "2024-01-02", "2024-01-03")


class File:
    """A store of one file, whose first line is its mark; the others are the partitions that it holds."""

    def __init__(self, path: Path) -> None:
        self.path, self.asked, self.held = path, 0, False

    def lines(self) -> list[str]:
        return self.path.read_text().splitlines() if self.path.exists() else [""]

    def read_mark(self) -> str:
        if self.held:
            raise LockTimeoutError("held")
        return self.lines()[0]

    def write_mark(self, mark: str) -> None:
        self.path.write_text("\n".join([mark, *self.lines()[1:]]))

    def missing(self, recorded: Recorded) -> Void:
        self.asked += 1
        there = self.lines()[1:]
        return {key: [p for p in built if p not in there] for key, built in recorded.items()}

    def open(self) -> AbstractContextManager["File"]:
        return nullcontext(self)

    def as_store(self) -> Store:
        return Store("file", "the file", frozenset({KEY}), self.missing, self.path, self.open)


class House:
    def __init__(self, instance: dg.DagsterInstance, file: File) -> None:
        self.instance, self.file = instance, file

    def write(self, *partitions: str) -> None:
        """Materialise partitions as a run does: the data, the mark, the record."""
        held = dict.fromkeys([*self.file.lines()[1:], *partitions])
        self.file.path.write_text("\n".join([self.file.lines()[0], *held]))
        note_written(self.instance, "file", self.file)
        for one in partitions:
            facts = {VERSION: f"of {one}", INPUTS: "same"}
            self.instance.report_runless_asset_event(
                dg.AssetMaterialization(KEY, partition=one, metadata=facts)
            )

    def compare(self) -> list[str]:
        return compare(self.instance, [self.file.as_store()])

    def built(self) -> set[str | None]:
        return set(Ledger.of(self.instance).built(KEY))


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    with dg.instance_for_test() as instance:
        Ledger.forget()
        found = House(instance, File(tmp_path / "store"))
        found.write(*PARTS)
        assert found.compare() == []
        yield found
    Ledger.forget()


def test_what_was_written_by_oneself_is_not_compared(house: House) -> None:
    house.write("2024-01-04")
    assert house.compare() == []
    assert house.file.asked == 0
    assert house.built() == {*PARTS, "2024-01-04"}


def test_a_store_that_is_gone_holds_nothing(house: House) -> None:
    house.file.path.unlink()
    (told,) = house.compare()
    assert "the file is not as it was last written; to be made again: raw/things (3 partitions)" in told
    assert house.built() == set()
    assert house.compare() == [], "it is told once"


def test_of_an_older_copy_only_what_it_lacks_is_void_until_it_is_made_again(
    house: House, tmp_path: Path
) -> None:
    old = house.file.path.read_text()
    house.write("2024-01-04")
    house.file.path.write_text(old)
    house.compare()
    assert house.built() == set(PARTS)
    for ask_again in (False, True):
        if ask_again:
            house.write("2024-01-04")
        for another_process in (False, True):
            if another_process:
                Ledger.of(house.instance).summarise()
                Ledger.forget()
            assert house.built() == {*PARTS, *(["2024-01-04"] if ask_again else [])}


def test_the_same_content_made_again_counts_in_every_process(house: House) -> None:
    many = [f"2024-02-{day:02d}" for day in range(1, 20)]
    house.write(*many)
    Ledger.of(house.instance).summarise()
    house.file.path.unlink()
    house.compare()
    assert house.built() == set()
    house.write(*PARTS, *many)
    Ledger.of(house.instance).summarise()
    Ledger.forget()
    assert house.built() == {*PARTS, *many}


def test_another_homes_store_is_refused_before_and_after_it_is_written_to(house: House) -> None:
    ours = house.file.path.read_text()
    house.file.path.write_text("\n".join(["another:mark", *PARTS]))
    for _ in range(2):
        with pytest.raises(ConfigurationError, match="the file is another home's"):
            compare(house.instance, [house.file.as_store()])
    with pytest.raises(ConfigurationError, match="move it away"):
        house.write(PARTS[0])
    house.file.path.write_text(ours)
    assert compare(house.instance, [house.file.as_store()]) == []
    house.file.path.unlink()
    (told,) = compare(house.instance, [house.file.as_store()])
    assert "3 partitions" in told


def test_what_was_lost_while_a_run_was_at_work_is_seen_at_the_next_look(house: House) -> None:
    house.file.path.unlink()
    house.write(PARTS[0])
    (told,) = compare(house.instance, [house.file.as_store()])
    assert "3 partitions" in told, "two are missing, and the first may have been made from what was missing"
    house.write(*PARTS)
    assert compare(house.instance, [house.file.as_store()]) == []


def test_another_mark_of_an_earlier_version_with_the_same_content_is_taken(house: House) -> None:
    house.file.path.write_text("\n".join(["another mark", *PARTS]))
    assert house.compare() == []
    assert house.file.asked == 1
    assert house.built() == set(PARTS)


def test_a_store_that_is_held_is_compared_later(house: House) -> None:
    house.file.path.write_text("\n".join(["another mark", *PARTS[1:]]))
    house.file.held = True
    assert house.compare() == []
    assert house.built() == set(PARTS)
    house.file.held = False
    assert house.compare()
    assert house.built() == set(PARTS[1:])


def test_a_store_of_which_nothing_was_ever_noted_is_taken_as_it_is(tmp_path: Path) -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        file = File(tmp_path / "store")
        file.path.write_text("\n".join(["", PARTS[0]]))
        for one in PARTS:
            instance.report_runless_asset_event(
                dg.AssetMaterialization(KEY, partition=one, metadata={VERSION: "v", INPUTS: "i"})
            )
        assert compare(instance, [file.as_store()]) == []
        assert set(Ledger.of(instance).built(KEY)) == set(PARTS)


def test_everything_is_every_partition(house: House) -> None:
    recorded = {KEY: Ledger.of(house.instance).built(KEY)}
    assert {key: set(partitions) for key, partitions in everything(recorded).items()} == {KEY: set(PARTS)}
