"""Releases and rollbacks that are killed at every step, and many at once."""

from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from itertools import count
from pathlib import Path

import pytest
from samples.candidates import candidate_files, manifest
from samples.killed import DyingStore, go, start, survives

from ml_platform.models.releases.registry import Registry
from ml_platform.storage.base import ObjectStore
from ml_platform.storage.folder import FolderStore

CARD_FRAUD = ("card_fraud", "model")

RELEASE = """
import sys
from pathlib import Path
from samples.candidates import manifest
from ml_platform.errors import ConflictError
from ml_platform.models.releases.registry import Registry
from ml_platform.storage.folder import FolderStore
root, name = Path(sys.argv[1]), sys.argv[2]
sys.stdin.readline()
registry = Registry(FolderStore(root / "registry"))
try:
    released = registry.release("card_fraud", "model", root / name, manifest(), who=name, why="x")
    print("released", released.version)
except ConflictError as error:
    print("conflict", error)
"""


def registry(store: ObjectStore) -> Registry:
    return Registry(store, clock=lambda: datetime(2018, 8, 1, tzinfo=UTC))


def release(store: ObjectStore, root: Path, name: str) -> None:
    files = candidate_files(root / f"candidate {name}", f"model {name}".encode())
    registry(store).release(*CARD_FRAUD, files, manifest(), who="ada", why="new data")


def rollback(store: ObjectStore, root: Path) -> None:
    first = registry(store).list(*CARD_FRAUD)[0].version
    registry(store).rollback(*CARD_FRAUD, to=first, who="on-call", why="alerts doubled")


def assign(store: ObjectStore, stage: str) -> None:
    first = registry(store).list(*CARD_FRAUD)[0].version
    registry(store).assign(*CARD_FRAUD, stage, first, who="grace", why="a trial")


def clear(store: ObjectStore, root: Path) -> None:
    registry(store).clear(*CARD_FRAUD, "second", who="grace", why="done")


ACTIONS: dict[str, Callable[[ObjectStore, Path], None]] = {
    "release": lambda store, root: release(store, root, "C"),
    "rollback": rollback,
    "assign": lambda store, root: assign(store, "champion"),
    "shadow": lambda store, root: assign(store, "trial"),
    "clear": clear,
}


def prepared(root: Path) -> Path:
    for name in "AB":
        release(FolderStore(root / "registry"), root, name)
    assign(FolderStore(root / "registry"), "second")
    return root


def content(root: Path) -> dict[str, bytes]:
    store = FolderStore(root / "registry")
    return {info.key: store.read(info.key)[0] for info in store.list()}


@pytest.mark.parametrize("name", ACTIONS)
def test_killed_at_any_step_and_run_again_it_is_as_if_undisturbed(name: str, tmp_path: Path) -> None:
    action, undisturbed = ACTIONS[name], prepared(tmp_path / "undisturbed")
    action(FolderStore(undisturbed / "registry"), undisturbed)
    expected, step = content(undisturbed), 0
    while True:
        root = prepared(tmp_path / f"killed at {step}")
        before = registry(FolderStore(root / "registry")).current(*CARD_FRAUD)
        store = DyingStore(root / "registry", step)
        if survives(partial(action, store, root)):
            break
        # Whatever the instant, what serves is whole: the champion before or the one after.
        seen = registry(FolderStore(root / "registry"))
        serving = seen.current(*CARD_FRAUD)
        assert serving is not None
        seen.fetch(serving, root / "cache")
        for stage in seen.stages(*CARD_FRAUD):
            shadow = seen.current(*CARD_FRAUD, stage)
            assert shadow is not None
            seen.fetch(shadow, root / "cache")
        assert len(seen.history(*CARD_FRAUD)) == (2 if serving == before else 3)
        action(FolderStore(root / "registry"), root)
        assert content(root) == expected
        step += 1
    assert step >= 4
    assert content(root) == expected


def test_killed_at_every_step_in_turn_the_first_release_still_arrives(tmp_path: Path) -> None:
    release(FolderStore(tmp_path / "undisturbed" / "registry"), tmp_path / "undisturbed", "A")
    root = tmp_path / "killed"
    steps = (DyingStore(root / "registry", step) for step in count())
    while not survives(partial(release, next(steps), root, "A")):
        assert len(registry(FolderStore(root / "registry")).history(*CARD_FRAUD)) <= 1
    assert content(root) == content(tmp_path / "undisturbed")


def test_of_many_candidates_released_at_once_the_losers_are_told_and_leave_nothing_visible(
    tmp_path: Path,
) -> None:
    names = ["A", "B", "C", "D"]
    for name in names:
        candidate_files(tmp_path / name, name.encode())
    printed = go([start(RELEASE, tmp_path, name) for name in names])
    seen = Registry(FolderStore(tmp_path / "registry"))
    history = seen.history(*CARD_FRAUD)
    won = {line.split()[1] for line in printed if line.startswith("released")}
    assert won
    assert won == {entry.version for entry in history} == {r.version for r in seen.list(*CARD_FRAUD)}
    assert [entry.sequence for entry in history] == list(range(1, len(won) + 1))
    assert all("look at it" in line for line in printed if line.startswith("conflict"))
    current = seen.current(*CARD_FRAUD)
    assert current is not None
    seen.fetch(current, tmp_path / "cache")


def test_one_candidate_released_by_many_at_once_is_one_release(tmp_path: Path) -> None:
    for name in ("A", "B", "C", "D"):
        candidate_files(tmp_path / name, b"the same model", plot=f"plot of {name}".encode())
    printed = go([start(RELEASE, tmp_path, name) for name in "ABCD"])
    seen = Registry(FolderStore(tmp_path / "registry"))
    current = seen.current(*CARD_FRAUD)
    assert current is not None
    assert printed == [f"released {current.version}"] * 4
    assert len(seen.history(*CARD_FRAUD)) == 1
    seen.fetch(current, tmp_path / "cache")
