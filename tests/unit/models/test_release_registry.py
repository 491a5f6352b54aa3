import json
import pickle
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from samples.candidates import FAILED, PASSED, candidate_files, manifest

from ml_platform.checks import CheckOutcome
from ml_platform.errors import (
    ArtifactTamperedError,
    ConfigurationError,
    ConflictError,
    GateNotPassedError,
    NotFoundError,
)
from ml_platform.models.releases.manifest import Release
from ml_platform.models.releases.registry import Registry
from ml_platform.storage.folder import FolderStore

USE_CASE = "card_fraud"
A, B, C = b"model A", b"model B", b"model C"


class Bench:
    """A registry, and candidates to release in it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.store = FolderStore(root / "registry")
        seconds = count()
        start = datetime(2018, 8, 1, tzinfo=UTC)
        self.registry = Registry(self.store, clock=lambda: start + timedelta(seconds=next(seconds)))

    def release(self, model: bytes, *, force: bool = False, **changes: object) -> Release:
        files = candidate_files(self.root / f"candidate {model.decode()}", model)
        return self.registry.release(
            USE_CASE, files, manifest(**changes), who="ada", why="new data", force=force
        )

    def back(self, to: str | None = None) -> Release:
        return self.registry.rollback(USE_CASE, to=to, who="on-call", why="alerts doubled")

    def path(self, release: Release, name: str) -> Path:
        return self.root / "registry" / "releases" / USE_CASE / release.version / name

    def stored(self) -> list[str]:
        return [info.key for info in self.store.list()]


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def test_a_release_is_champion_and_all_of_it_is_on_file(bench: Bench) -> None:
    released = bench.release(A)
    assert bench.registry.current(USE_CASE) == released
    assert bench.registry.get(USE_CASE, released.version) == released
    assert bench.registry.list(USE_CASE) == (released,)
    folder = f"releases/{USE_CASE}/{released.version}/"
    assert {k.removeprefix(folder) for k in bench.stored() if k.startswith(folder)} == {
        "manifest.json",
        "model.ubj",
        "vocabulary/words.json",
        *(f.path for f in released.card),
    }
    assert released.manifest == manifest()
    assert [f.path for f in released.files] == ["model.ubj", "vocabulary/words.json"]


def test_before_the_first_release_there_is_nothing(bench: Bench) -> None:
    assert bench.registry.current(USE_CASE) is None
    assert bench.registry.history(USE_CASE) == ()
    assert bench.registry.list(USE_CASE) == ()
    with pytest.raises(NotFoundError, match="no release"):
        bench.back()
    with pytest.raises(NotFoundError, match="20180714-x"):
        bench.registry.get(USE_CASE, "20180714-x")


def test_the_same_candidate_is_the_same_release(bench: Bench) -> None:
    first = bench.release(A)
    before = bench.stored()
    again = bench.release(A, run_id="another run", metrics={"auc": 0.8, "latency_ms": 3.0})
    assert again == first
    assert bench.stored() == before
    assert len(bench.registry.history(USE_CASE)) == 1


@pytest.mark.parametrize(
    ("gates", "says"),
    [([PASSED, FAILED], "auc is 0.6"), ([], "not judged")],
)
def test_a_candidate_that_did_not_pass_is_refused_before_anything_is_written(
    bench: Bench, gates: list, says: str
) -> None:
    with pytest.raises(GateNotPassedError, match=says):
        bench.release(A, gates=gates)
    assert bench.stored() == []


def test_a_gate_that_only_warns_does_not_block(bench: Bench) -> None:
    warned = CheckOutcome("segments", False, "one is small", severity="WARN", blocking=True)
    noted = CheckOutcome("size", False, "large", blocking=False)
    assert bench.release(A, gates=[PASSED, warned, noted])


def test_who_and_why_are_asked_for(bench: Bench) -> None:
    files = candidate_files(bench.root / "candidate")
    with pytest.raises(ConfigurationError, match="who asks"):
        bench.registry.release(USE_CASE, files, manifest(), who=" ", why="x")
    bench.release(A)
    with pytest.raises(ConfigurationError, match="why"):
        bench.registry.rollback(USE_CASE, who="ada", why="")


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("model.pkl", b"x", "pickle"),
        ("model.bin", pickle.dumps({"a": 1}), "pickle"),
        ("manifest.json", b"{}", "registry's own"),
    ],
)
def test_files_that_must_not_be_released_are_refused_by_name(
    bench: Bench, name: str, content: bytes, says: str
) -> None:
    files = candidate_files(bench.root / "candidate")
    (files / name).write_bytes(content)
    with pytest.raises(ConfigurationError, match=says):
        bench.registry.release(USE_CASE, files, manifest(), who="ada", why="x")
    assert bench.stored() == []


def test_links_and_empty_candidates_are_refused(bench: Bench) -> None:
    files = bench.root / "candidate"
    (files / "card").mkdir(parents=True)
    (files / "card" / "plot.png").write_bytes(b"")
    with pytest.raises(ConfigurationError, match="no model files"):
        bench.registry.release(USE_CASE, files, manifest(), who="ada", why="x")
    (files / "model.ubj").symlink_to(files / "card" / "plot.png")
    with pytest.raises(ConfigurationError, match="symbolic link"):
        bench.registry.release(USE_CASE, files, manifest(), who="ada", why="x")
    with pytest.raises(ConfigurationError, match="name of a use case"):
        bench.registry.release("../x", files, manifest(), who="ada", why="x")


def test_rolling_back_twice_goes_two_releases_back(bench: Bench) -> None:
    a, b, c = (bench.release(model) for model in (A, B, C))
    assert bench.registry.current(USE_CASE) == c
    assert bench.back() == b
    assert bench.back() == a
    assert bench.registry.current(USE_CASE) == a
    with pytest.raises(NotFoundError, match="no earlier release"):
        bench.back()


def test_after_a_rollback_and_a_new_release_the_way_back_is_what_served(bench: Bench) -> None:
    a = bench.release(A)
    bench.release(B)
    bench.back()
    bench.release(C)
    assert bench.back() == a


def test_rolling_back_to_a_named_version(bench: Bench) -> None:
    a, _, _ = (bench.release(model) for model in (A, B, C))
    assert bench.back(to=a.version) == a
    length = len(bench.registry.history(USE_CASE))
    assert bench.back(to=a.version) == a  # asked for again, it is done already
    assert len(bench.registry.history(USE_CASE)) == length
    with pytest.raises(NotFoundError, match="20180714-nothing"):
        bench.back(to="20180714-nothing")


def test_a_withdrawn_candidate_is_not_promoted_again_by_itself(bench: Bench) -> None:
    a, b = bench.release(A), bench.release(B)
    bench.back()
    assert bench.release(B) == a
    assert bench.registry.current(USE_CASE) == a
    assert bench.registry.promotion(USE_CASE).withdrawn == (b.version,)  # type: ignore[union-attr]
    c = bench.release(C)
    assert bench.registry.current(USE_CASE) == c
    assert bench.release(B) == c, "a new release does not lift the withdrawal of another candidate"
    assert bench.release(B, force=True) == b
    assert bench.registry.promotion(USE_CASE).withdrawn == ()  # type: ignore[union-attr]


def test_rolling_forward_lifts_the_withdrawal(bench: Bench) -> None:
    bench.release(A)
    b = bench.release(B)
    bench.back()
    assert bench.back(to=b.version) == b
    assert b.version not in bench.registry.promotion(USE_CASE).withdrawn  # type: ignore[union-attr]


def test_the_audit_trail_says_who_did_what_when_and_why(bench: Bench) -> None:
    a, b = bench.release(A), bench.release(B)
    bench.back()
    assert [
        (e.sequence, e.action, e.version, e.previous, e.who, e.why) for e in bench.registry.history(USE_CASE)
    ] == [
        (1, "release", a.version, None, "ada", "new data"),
        (2, "release", b.version, a.version, "ada", "new data"),
        (3, "rollback", a.version, b.version, "on-call", "alerts doubled"),
    ]
    assert [e.at.second for e in bench.registry.history(USE_CASE)] == [0, 1, 2]


def test_a_change_whose_audit_entry_was_not_written_is_on_file_after_the_next(bench: Bench) -> None:
    bench.release(A)
    b = bench.release(B)
    audit = bench.root / "registry/releases/card_fraud/audit"
    (audit / "00000002.json").unlink()  # as a kill between the pointer and the entry leaves it
    assert [e.version for e in bench.registry.history(USE_CASE)][-1] == b.version
    bench.back()
    assert [json.loads(p.read_bytes())["sequence"] for p in sorted(audit.iterdir())] == [1, 2, 3]
    assert [e.action for e in bench.registry.history(USE_CASE)] == ["release", "release", "rollback"]


def test_a_hole_in_the_trail_and_a_lost_pointer_are_told(bench: Bench) -> None:
    bench.release(A)
    bench.release(B)
    folder = bench.root / "registry/releases/card_fraud"
    (folder / "audit/00000001.json").unlink()
    with pytest.raises(ArtifactTamperedError, match=r"lacks entries \[1\]"):
        bench.registry.history(USE_CASE)
    (folder / "current.json").unlink()
    with pytest.raises(ArtifactTamperedError, match=r"current\.json is missing"):
        bench.registry.current(USE_CASE)


def test_what_is_fetched_is_the_model_files_and_nothing_else(bench: Bench) -> None:
    released = bench.release(A)
    folder = bench.registry.fetch(released, bench.root / "cache")
    assert {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()} == {
        "model.ubj": A,
        "vocabulary/words.json": b"{}",
    }
    assert folder == bench.root / "cache" / USE_CASE / released.version
    assert [p.name for p in folder.parent.iterdir()] == [released.version]


def test_a_damaged_or_littered_cache_is_replaced(bench: Bench) -> None:
    released = bench.release(A)
    folder = bench.registry.fetch(released, bench.root / "cache")
    (folder / "model.ubj").write_bytes(b"model X")
    (folder / "extra").write_bytes(b"")
    assert bench.registry.fetch(released, bench.root / "cache") == folder
    assert sorted(p.name for p in folder.iterdir()) == ["model.ubj", "vocabulary"]
    assert (folder / "model.ubj").read_bytes() == A


@pytest.mark.parametrize(
    "tamper",
    [
        lambda b, r: b.path(r, "model.ubj").write_bytes(b"model Z"),
        lambda b, r: b.path(r, "model.ubj").write_bytes(b"longer than before"),
        lambda b, r: b.path(r, "model.ubj").unlink(),
        lambda b, r: b.path(r, "sneaked_in.so").write_bytes(b"x"),
        lambda b, r: b.path(r, r.card[0].path).unlink(),
    ],
    ids=["changed", "grown", "missing", "extra", "card missing"],
)
def test_a_tampered_release_is_refused_though_the_cache_has_a_good_copy(bench: Bench, tamper) -> None:
    released = bench.release(A)
    bench.registry.fetch(released, bench.root / "cache")
    tamper(bench, released)
    with pytest.raises(ArtifactTamperedError, match=released.version):
        bench.registry.fetch(released, bench.root / "cache")


def test_a_tampered_manifest_is_refused(bench: Bench) -> None:
    released = bench.release(A)
    path = bench.path(released, "manifest.json")
    path.write_bytes(path.read_bytes().replace(b'"auc": 0.8', b'"auc": 0.9'))
    for read in (
        lambda: bench.registry.current(USE_CASE),
        lambda: bench.registry.get(USE_CASE, released.version),
    ):
        with pytest.raises(ArtifactTamperedError, match=r"manifest\.json"):
            read()


def test_nothing_is_rolled_back_to_a_tampered_release(bench: Bench) -> None:
    a, b = bench.release(A), bench.release(B)
    bench.path(a, "model.ubj").write_bytes(b"model Z")
    with pytest.raises(ArtifactTamperedError, match=a.version):
        bench.back()
    assert bench.registry.current(USE_CASE) == b


def test_a_file_that_somebody_left_in_a_releases_place_is_not_promoted(bench: Bench) -> None:
    version = bench.registry.candidate(USE_CASE, candidate_files(bench.root / "c", A), manifest()).version
    bench.store.write(f"releases/{USE_CASE}/{version}/model.ubj", b"model Z")
    with pytest.raises(ArtifactTamperedError, match=version):
        bench.release(A)
    assert bench.registry.current(USE_CASE) is None


def test_who_loses_the_race_is_told_and_nothing_of_theirs_shows(bench: Bench) -> None:
    a = bench.release(A)

    class Late(FolderStore):
        """Another process releases C while this one is about to change the pointer."""

        def write(self, key: str, content: bytes | Path, **conditions) -> str:
            if key.endswith("current.json"):
                bench.release(C)
            return super().write(key, content, **conditions)

    files = candidate_files(bench.root / "candidate", B)
    with pytest.raises(ConflictError, match="by ada"):
        Registry(Late(bench.root / "registry")).release(USE_CASE, files, manifest(), who="bob", why="mine")
    versions = [r.version for r in bench.registry.list(USE_CASE)]
    assert versions == [a.version, bench.registry.current(USE_CASE).version]  # type: ignore[union-attr]
    lost = bench.registry.candidate(USE_CASE, files, manifest()).version
    with pytest.raises(NotFoundError):
        bench.registry.get(USE_CASE, lost)
    assert [e.who for e in bench.registry.history(USE_CASE)] == ["ada", "ada"]
    assert bench.release(B).version == lost, "asked for again, it is released"


def test_two_that_release_the_same_candidate_at_once_both_succeed(bench: Bench) -> None:
    class Late(FolderStore):
        def write(self, key: str, content: bytes | Path, **conditions) -> str:
            if key.endswith("manifest.json"):
                bench.release(A, run_id="the other's run")
            return super().write(key, content, **conditions)

    files = candidate_files(bench.root / "mine", A, plot=b"\x89PNG, a little different")
    released = Registry(Late(bench.root / "registry")).release(
        USE_CASE, files, manifest(), who="bob", why="mine"
    )
    assert released == bench.registry.current(USE_CASE)
    assert released.manifest.run_id == "the other's run"
    assert len(bench.registry.history(USE_CASE)) == 1
    bench.registry.fetch(released, bench.root / "cache")


def test_the_card_tells_the_figures_and_the_history(bench: Bench) -> None:
    a = bench.release(A, description="Scores card payments.")
    bench.release(B)
    bench.back()
    card = bench.registry.card(USE_CASE, a.version)
    for said in (
        "Scores card payments.",
        "d1",
        "0.8",
        "base rate",
        "auc is 0.8",
        "precision_recall.png",
        "ada",
        "alerts doubled",
    ):
        assert said in card
    bench.path(a, next(f.path for f in a.card if f.path.endswith("card.md"))).write_bytes(b"x")
    with pytest.raises(ArtifactTamperedError):
        bench.registry.card(USE_CASE, a.version)


def test_a_card_of_the_candidates_own_is_kept(bench: Bench) -> None:
    files = candidate_files(bench.root / "candidate")
    (files / "card" / "card.md").write_text("# Mine")
    released = bench.registry.release(USE_CASE, files, manifest(), who="ada", why="x")
    assert bench.registry.card(USE_CASE, released.version).startswith("# Mine")


def test_use_cases_are_apart(bench: Bench) -> None:
    a = bench.release(A)
    other = bench.registry.release(
        "churn", candidate_files(bench.root / "o", B), manifest(), who="bob", why="x"
    )
    assert bench.registry.current(USE_CASE) == a
    assert bench.registry.current("churn") == other
    assert len(bench.registry.history("churn")) == 1


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(st.sampled_from(["A", "B", "C", "back"]), max_size=8))
def test_the_trail_leads_to_the_champion_whatever_was_done(
    steps: list[str], tmp_path_factory: pytest.TempPathFactory
) -> None:
    bench = Bench(tmp_path_factory.mktemp("bench"))
    for step in steps:
        before = bench.registry.current(USE_CASE)
        try:
            after = bench.back() if step == "back" else bench.release(step.encode())
        except NotFoundError:
            after = before
        assert bench.registry.current(USE_CASE) == after
    trail = bench.registry.history(USE_CASE)
    assert [e.sequence for e in trail] == list(range(1, len(trail) + 1))
    assert [e.previous for e in trail] == [None, *(e.version for e in trail)][: len(trail)]
    assert all(e.version != e.previous for e in trail)
    for release in bench.registry.list(USE_CASE):
        bench.registry.fetch(release, bench.root / "cache")
