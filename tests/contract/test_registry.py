"""The contract of the production registry, run on every object store."""

import pickle
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import BinaryIO

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
from ml_platform.models.releases.manifest import AuditEntry, Release
from ml_platform.models.releases.registry import CHAMPION, Registry
from ml_platform.storage.base import ObjectInfo, ObjectStore
from ml_platform.storage.folder import FolderStore

CARD_FRAUD = ("card_fraud", "model")
FOLDER = "releases/card_fraud/model"
A, B, C = b"model A", b"model B", b"model C"


class Passing(ObjectStore):
    """Passes everything on to another store; tests override what is to happen meanwhile."""

    def __init__(self, store: ObjectStore) -> None:
        self.store = store

    @property
    def uri(self) -> str:
        return self.store.uri

    def stat(self, key: str) -> ObjectInfo | None:
        return self.store.stat(key)

    def open(self, key: str) -> BinaryIO:
        return self.store.open(key)

    def read(self, key: str) -> tuple[bytes, str]:
        return self.store.read(key)

    def write(self, key: str, content, **conditions) -> str:
        return self.store.write(key, content, **conditions)

    def list(self, prefix: str = "") -> Iterator[ObjectInfo]:
        return self.store.list(prefix)

    def delete(self, key: str) -> None:
        self.store.delete(key)

    def local_path(self, key: str, cache: Path) -> Path:
        return self.store.local_path(key, cache)


class Bench:
    """A registry, and candidates to release in it."""

    def __init__(self, root: Path, store: ObjectStore) -> None:
        self.root = root
        self.store = store
        seconds = count()
        start = datetime(2018, 8, 1, tzinfo=UTC)
        self.registry = Registry(self.store, clock=lambda: start + timedelta(seconds=next(seconds)))

    def release(
        self, model: bytes, *, stage: str = CHAMPION, force: bool = False, **changes: object
    ) -> Release:
        files = candidate_files(self.root / f"candidate {model.decode()}", model)
        return self.registry.release(
            *CARD_FRAUD, files, manifest(**changes), stage=stage, who="ada", why="new data", force=force
        )

    def back(self, to: str | None = None, stage: str = CHAMPION) -> Release:
        return self.registry.rollback(*CARD_FRAUD, stage=stage, to=to, who="on-call", why="alerts doubled")

    def assign(self, stage: str, release: Release, *, force: bool = False) -> Release:
        return self.registry.assign(
            *CARD_FRAUD, stage, release.version, who="grace", why="a trial", force=force
        )

    def clear(self, stage: str) -> None:
        self.registry.clear(*CARD_FRAUD, stage, who="grace", why="done")

    def named(self) -> dict[str, str | None]:
        return {stage: entry.version for stage, entry in self.registry.stages(*CARD_FRAUD).items()}

    def key(self, release: Release, name: str) -> str:
        return f"{FOLDER}/{release.version}/{name}"

    def promotion(self) -> AuditEntry:
        found = self.registry.promotion(*CARD_FRAUD)
        assert found is not None
        return found

    def stored(self) -> list[str]:
        return [info.key for info in self.store.list()]


def folder_store(root: Path) -> ObjectStore:
    return FolderStore(root / "registry")


STORES = {"folder": folder_store}


@pytest.fixture(params=sorted(STORES))
def bench(request: pytest.FixtureRequest, tmp_path: Path) -> Bench:
    return Bench(tmp_path, STORES[request.param](tmp_path))


def test_a_release_is_champion_and_all_of_it_is_on_file(bench: Bench) -> None:
    released = bench.release(A)
    assert bench.registry.current(*CARD_FRAUD) == released
    assert bench.registry.get(*CARD_FRAUD, released.version) == released
    assert bench.registry.list(*CARD_FRAUD) == (released,)
    folder = f"{FOLDER}/{released.version}/"
    assert {k.removeprefix(folder) for k in bench.stored() if k.startswith(folder)} == {
        "manifest.json",
        "model.ubj",
        "vocabulary/words.json",
        *(f.path for f in released.card),
    }
    assert released.manifest == manifest()
    assert [f.path for f in released.files] == ["model.ubj", "vocabulary/words.json"]


def test_before_the_first_release_there_is_nothing(bench: Bench) -> None:
    assert bench.registry.current(*CARD_FRAUD) is None
    assert bench.registry.history(*CARD_FRAUD) == ()
    assert bench.registry.list(*CARD_FRAUD) == ()
    with pytest.raises(NotFoundError, match="no release"):
        bench.back()
    with pytest.raises(NotFoundError, match="20180714-x"):
        bench.registry.get(*CARD_FRAUD, "20180714-x")


def test_the_same_candidate_is_the_same_release(bench: Bench) -> None:
    first = bench.release(A)
    before = bench.stored()
    again = bench.release(A, run_id="another run", metrics={"auc": 0.8, "latency_ms": 3.0})
    assert again == first
    assert bench.stored() == before
    assert len(bench.registry.history(*CARD_FRAUD)) == 1


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
        bench.registry.release(*CARD_FRAUD, files, manifest(), who=" ", why="x")
    bench.release(A)
    with pytest.raises(ConfigurationError, match="why"):
        bench.registry.rollback(*CARD_FRAUD, who="ada", why="")


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
        bench.registry.release(*CARD_FRAUD, files, manifest(), who="ada", why="x")
    assert bench.stored() == []


def test_links_and_empty_candidates_are_refused(bench: Bench) -> None:
    files = bench.root / "candidate"
    (files / "card").mkdir(parents=True)
    (files / "card" / "plot.png").write_bytes(b"")
    with pytest.raises(ConfigurationError, match="no model files"):
        bench.registry.release(*CARD_FRAUD, files, manifest(), who="ada", why="x")
    (files / "model.ubj").symlink_to(files / "card" / "plot.png")
    with pytest.raises(ConfigurationError, match="symbolic link"):
        bench.registry.release(*CARD_FRAUD, files, manifest(), who="ada", why="x")
    with pytest.raises(ConfigurationError, match="name of a use case"):
        bench.registry.release("../x", "model", files, manifest(), who="ada", why="x")


def test_rolling_back_twice_goes_two_releases_back(bench: Bench) -> None:
    a, b, c = (bench.release(model) for model in (A, B, C))
    assert bench.registry.current(*CARD_FRAUD) == c
    assert bench.back() == b
    assert bench.back() == a
    assert bench.registry.current(*CARD_FRAUD) == a
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
    length = len(bench.registry.history(*CARD_FRAUD))
    assert bench.back(to=a.version) == a  # asked for again, it is done already
    assert len(bench.registry.history(*CARD_FRAUD)) == length
    with pytest.raises(NotFoundError, match="20180714-nothing"):
        bench.back(to="20180714-nothing")


def test_a_withdrawn_candidate_is_not_promoted_again_by_itself(bench: Bench) -> None:
    a, b = bench.release(A), bench.release(B)
    bench.back()
    assert bench.release(B) == a
    assert bench.registry.current(*CARD_FRAUD) == a
    assert bench.promotion().withdrawn == (b.version,)
    c = bench.release(C)
    assert bench.registry.current(*CARD_FRAUD) == c
    assert bench.release(B) == c, "a new release does not lift the withdrawal of another candidate"
    assert bench.release(B, force=True) == b
    assert bench.promotion().withdrawn == ()


def test_rolling_forward_lifts_the_withdrawal(bench: Bench) -> None:
    bench.release(A)
    b = bench.release(B)
    bench.back()
    assert bench.back(to=b.version) == b
    assert b.version not in bench.promotion().withdrawn


def test_the_audit_trail_says_who_did_what_when_and_why(bench: Bench) -> None:
    a, b = bench.release(A), bench.release(B)
    bench.back()
    assert [
        (e.sequence, e.action, e.version, e.previous, e.who, e.why)
        for e in bench.registry.history(*CARD_FRAUD)
    ] == [
        (1, "release", a.version, None, "ada", "new data"),
        (2, "release", b.version, a.version, "ada", "new data"),
        (3, "rollback", a.version, b.version, "on-call", "alerts doubled"),
    ]
    assert [e.at.second for e in bench.registry.history(*CARD_FRAUD)] == [0, 1, 2]


def test_a_change_whose_audit_entry_was_not_written_is_on_file_after_the_next(bench: Bench) -> None:
    bench.release(A)
    b = bench.release(B)
    bench.store.delete(f"{FOLDER}/audit/champion/00000002.json")  # as a kill before the entry leaves it
    assert [e.version for e in bench.registry.history(*CARD_FRAUD)][-1] == b.version
    bench.back()
    assert [k for k in bench.stored() if "/audit/" in k] == [
        f"{FOLDER}/audit/champion/0000000{n}.json" for n in (1, 2, 3)
    ]
    assert [e.action for e in bench.registry.history(*CARD_FRAUD)] == ["release", "release", "rollback"]


def test_a_hole_in_the_trail_and_a_lost_pointer_are_told(bench: Bench) -> None:
    bench.release(A)
    bench.release(B)
    bench.store.delete(f"{FOLDER}/audit/champion/00000001.json")
    with pytest.raises(ArtifactTamperedError, match=r"lacks entries \[1\]"):
        bench.registry.history(*CARD_FRAUD)
    bench.store.delete(f"{FOLDER}/stages/champion.json")
    for read in (bench.registry.current, bench.registry.stages):
        with pytest.raises(ArtifactTamperedError, match=r"champion\.json is missing"):
            read(*CARD_FRAUD)


def test_what_is_fetched_is_the_model_files_and_nothing_else(bench: Bench) -> None:
    released = bench.release(A)
    folder = bench.registry.fetch(released, bench.root / "cache")
    assert {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()} == {
        "model.ubj": A,
        "vocabulary/words.json": b"{}",
    }
    assert folder == bench.root / "cache" / "card_fraud" / "model" / released.version
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
        lambda b, r: b.store.write(b.key(r, "model.ubj"), b"model Z"),
        lambda b, r: b.store.write(b.key(r, "model.ubj"), b"longer than before"),
        lambda b, r: b.store.delete(b.key(r, "model.ubj")),
        lambda b, r: b.store.write(b.key(r, "sneaked_in.so"), b"x"),
        lambda b, r: b.store.delete(b.key(r, r.card[0].path)),
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
    key = bench.key(released, "manifest.json")
    bench.store.write(key, bench.store.read(key)[0].replace(b'"auc": 0.8', b'"auc": 0.9'))
    for read in (
        lambda: bench.registry.current(*CARD_FRAUD),
        lambda: bench.registry.get(*CARD_FRAUD, released.version),
    ):
        with pytest.raises(ArtifactTamperedError, match=r"manifest\.json"):
            read()


def test_nothing_is_rolled_back_to_a_tampered_release(bench: Bench) -> None:
    a, b = bench.release(A), bench.release(B)
    bench.store.write(bench.key(a, "model.ubj"), b"model Z")
    with pytest.raises(ArtifactTamperedError, match=a.version):
        bench.back()
    assert bench.registry.current(*CARD_FRAUD) == b


def test_a_file_that_somebody_left_in_a_releases_place_is_not_promoted(bench: Bench) -> None:
    version = bench.registry.candidate(*CARD_FRAUD, candidate_files(bench.root / "c", A), manifest()).version
    bench.store.write(f"{FOLDER}/{version}/model.ubj", b"model Z")
    with pytest.raises(ArtifactTamperedError, match=version):
        bench.release(A)
    assert bench.registry.current(*CARD_FRAUD) is None


def test_who_loses_the_race_is_told_and_nothing_of_theirs_shows(bench: Bench) -> None:
    a = bench.release(A)

    class Late(Passing):
        """Another process releases C while this one is about to change the pointer."""

        def write(self, key: str, content, **conditions) -> str:
            if key.endswith("champion.json"):
                bench.release(C)
            return super().write(key, content, **conditions)

    files = candidate_files(bench.root / "candidate", B)
    with pytest.raises(ConflictError, match="by ada"):
        Registry(Late(bench.store)).release(*CARD_FRAUD, files, manifest(), who="bob", why="mine")
    versions = [r.version for r in bench.registry.list(*CARD_FRAUD)]
    assert versions == [a.version, bench.registry.current(*CARD_FRAUD).version]
    lost = bench.registry.candidate(*CARD_FRAUD, files, manifest()).version
    with pytest.raises(NotFoundError):
        bench.registry.get(*CARD_FRAUD, lost)
    assert [e.who for e in bench.registry.history(*CARD_FRAUD)] == ["ada", "ada"]
    assert bench.release(B).version == lost, "asked for again, it is released"


def test_two_that_release_the_same_candidate_at_once_both_succeed(bench: Bench) -> None:
    class Late(Passing):
        def write(self, key: str, content, **conditions) -> str:
            if key.endswith("manifest.json"):
                bench.release(A, run_id="the other's run")
            return super().write(key, content, **conditions)

    files = candidate_files(bench.root / "mine", A, plot=b"\x89PNG, a little different")
    released = Registry(Late(bench.store)).release(*CARD_FRAUD, files, manifest(), who="bob", why="mine")
    assert released == bench.registry.current(*CARD_FRAUD)
    assert released.manifest.run_id == "the other's run"
    assert len(bench.registry.history(*CARD_FRAUD)) == 1
    bench.registry.fetch(released, bench.root / "cache")


def test_the_card_tells_the_figures_and_the_history(bench: Bench) -> None:
    a = bench.release(A, description="Scores card payments.")
    bench.release(B)
    bench.back()
    card = bench.registry.card(*CARD_FRAUD, a.version)
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
    card_key = bench.key(a, next(f.path for f in a.card if f.path.endswith("card.md")))
    bench.store.write(card_key, b"x")
    with pytest.raises(ArtifactTamperedError):
        bench.registry.card(*CARD_FRAUD, a.version)


def test_a_card_of_the_candidates_own_is_kept(bench: Bench) -> None:
    files = candidate_files(bench.root / "candidate")
    (files / "card" / "card.md").write_text("# Mine")
    released = bench.registry.release(*CARD_FRAUD, files, manifest(), who="ada", why="x")
    assert bench.registry.card(*CARD_FRAUD, released.version).startswith("# Mine")


def test_use_cases_and_models_are_apart(bench: Bench) -> None:
    a = bench.release(A)
    others = {
        name: bench.registry.release(
            *name, candidate_files(bench.root / "o", B), manifest(), who="bob", why="x"
        )
        for name in (("churn", "model"), ("card_fraud", "second"))
    }
    assert len({release.version for release in others.values()}) == 2, "the same files, another model's"
    assert bench.registry.current(*CARD_FRAUD) == a
    for name, release in others.items():
        assert bench.registry.current(*name) == release
        assert len(bench.registry.history(*name)) == 1
    assert bench.registry.models("card_fraud") == ("model", "second")
    assert bench.registry.models("nobody") == ()


def test_a_shadow_is_a_stage_of_its_own(bench: Bench) -> None:
    a, b = bench.release(A), bench.release(B)
    assert bench.assign("challenger", a) == a
    c = bench.release(C, stage="trial")
    assert bench.named() == {"champion": b.version, "challenger": a.version, "trial": c.version}
    assert next(iter(bench.named())) == "champion"
    assert bench.registry.current(*CARD_FRAUD, "trial") == c
    assert {r.version for r in bench.registry.list(*CARD_FRAUD)} == {a.version, b.version, c.version}
    assert bench.registry.get(*CARD_FRAUD, c.version) == c
    assert [(e.sequence, e.action, e.version) for e in bench.registry.history(*CARD_FRAUD, "challenger")] == [
        (1, "assign", a.version)
    ]
    assert len(bench.registry.history(*CARD_FRAUD)) == 2, "the champion's trail is its own"
    bench.registry.fetch(c, bench.root / "cache")


def test_a_cleared_shadow_names_nothing_and_its_trail_goes_on(bench: Bench) -> None:
    a, b = bench.release(A), bench.release(B)
    bench.assign("challenger", a)
    for _ in range(2):
        bench.clear("challenger")
    assert bench.named() == {"champion": b.version}
    assert bench.registry.current(*CARD_FRAUD, "challenger") is None
    bench.assign("challenger", b)
    trail = bench.registry.history(*CARD_FRAUD, "challenger")
    assert [(e.sequence, e.action, e.version, e.previous) for e in trail] == [
        (1, "assign", a.version, None),
        (2, "clear", None, a.version),
        (3, "assign", b.version, None),
    ]
    bench.clear("never_there")
    with pytest.raises(ConfigurationError, match="nothing would serve"):
        bench.clear("champion")


def test_a_shadow_is_rolled_back_like_the_champion(bench: Bench) -> None:
    a = bench.release(A, stage="trial")
    b = bench.release(B, stage="trial")
    assert bench.back(stage="trial") == a
    assert bench.release(B, stage="trial") == a, "it was rolled back away from"
    bench.clear("trial")
    assert bench.back(stage="trial") == a, "what it named before it was cleared"
    assert bench.back(to=b.version, stage="trial") == b
    bench.release(C)
    with pytest.raises(NotFoundError, match="was champion"):
        bench.back(to=a.version)


def test_a_champion_that_is_assigned_is_not_replaced_by_the_one_it_replaced(bench: Bench) -> None:
    a, b = bench.release(A), bench.release(B)
    assert bench.assign("champion", a) == a
    assert bench.release(B) == a
    assert bench.assign("champion", a) == a
    assert len(bench.registry.history(*CARD_FRAUD)) == 3, "assigning it again changes nothing"
    assert bench.assign("champion", b) == b


def test_a_shadow_may_be_forced_past_its_gate_and_never_becomes_champion(bench: Bench) -> None:
    with pytest.raises(GateNotPassedError, match=r"auc is 0\.6.*or force it"):
        bench.release(A, stage="trial", gates=[PASSED, FAILED])
    assert bench.stored() == []
    trial = bench.release(A, stage="trial", gates=[PASSED, FAILED], force=True)
    for force in (False, True):
        with pytest.raises(GateNotPassedError, match="did not pass"):
            bench.assign("champion", trial, force=force)
        with pytest.raises(GateNotPassedError, match="did not pass"):
            bench.release(A, gates=[PASSED, FAILED], force=force)
    with pytest.raises(GateNotPassedError, match="or force it"):
        bench.assign("second", trial)
    assert bench.assign("second", trial, force=True) == trial
    assert bench.named() == {"second": trial.version, "trial": trial.version}


def test_a_candidate_is_released_over_what_it_was_judged_against(bench: Bench) -> None:
    a = bench.release(A)
    files, judged = candidate_files(bench.root / "candidate", B), {"who": "ada", "why": "x"}
    for wrong in (None, "20180714-other"):
        with pytest.raises(ConflictError, match=f"the champion is {a.version} now; judge it again"):
            bench.registry.release(*CARD_FRAUD, files, manifest(), judged_against=wrong, **judged)
    b = bench.registry.release(*CARD_FRAUD, files, manifest(), judged_against=a.version, **judged)
    assert bench.registry.release(*CARD_FRAUD, files, manifest(), judged_against=a.version, **judged) == b


@pytest.mark.parametrize("stage", ["", "Trial", "a/b", "../champion", "candidate", "latest", "v2", "x" * 64])
def test_what_is_no_name_of_a_stage_is_refused(bench: Bench, stage: str) -> None:
    a = bench.release(A)
    before = bench.stored()
    for change in (
        lambda: bench.release(B, stage=stage),
        lambda: bench.assign(stage, a),
        lambda: bench.back(stage=stage),
        lambda: bench.clear(stage),
        lambda: bench.registry.current(*CARD_FRAUD, stage),
    ):
        with pytest.raises(ConfigurationError, match="name of a stage"):
            change()
    assert bench.stored() == before


def test_a_pointer_that_was_copied_from_another_stage_is_refused(bench: Bench) -> None:
    bench.release(A)
    bench.release(B, stage="trial")
    content, _ = bench.store.read(f"{FOLDER}/stages/trial.json")
    bench.store.write(f"{FOLDER}/stages/champion.json", content)
    with pytest.raises(ArtifactTamperedError, match="speaks of the trial of card_fraud/model"):
        bench.registry.current(*CARD_FRAUD)


def test_a_registry_of_an_earlier_layout_is_refused_and_the_way_out_is_told(bench: Bench) -> None:
    bench.store.write("releases/card_fraud/current.json", b"{}")
    for read in (
        lambda: bench.registry.current(*CARD_FRAUD),
        lambda: bench.registry.stages(*CARD_FRAUD),
        lambda: bench.registry.models("card_fraud"),
        lambda: bench.release(A),
    ):
        with pytest.raises(ConfigurationError, match=r"an earlier version.*move the folder"):
            read()
    assert bench.stored() == ["releases/card_fraud/current.json"]
    assert bench.registry.current("churn", "model") is None, "others are not concerned"


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(st.sampled_from(["A", "B", "C", "back", "first"]), max_size=8))
def test_the_trail_leads_to_the_champion_whatever_was_done(
    steps: list[str], tmp_path_factory: pytest.TempPathFactory
) -> None:
    root = tmp_path_factory.mktemp("bench")
    bench = Bench(root, folder_store(root))
    for step in steps:
        before = bench.registry.current(*CARD_FRAUD)
        try:
            if step == "first" and before:
                after = bench.assign(CHAMPION, bench.registry.list(*CARD_FRAUD)[0])
            elif step in ("back", "first"):
                after = bench.back()
            else:
                after = bench.release(step.encode())
        except NotFoundError:
            after = before
        assert bench.registry.current(*CARD_FRAUD) == after
    trail = bench.registry.history(*CARD_FRAUD)
    assert [e.sequence for e in trail] == list(range(1, len(trail) + 1))
    assert [e.previous for e in trail] == [None, *(e.version for e in trail)][: len(trail)]
    assert all(e.version != e.previous for e in trail)
    for release in bench.registry.list(*CARD_FRAUD):
        bench.registry.fetch(release, bench.root / "cache")
