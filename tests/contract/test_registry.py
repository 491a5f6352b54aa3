"""The contract of the production registry, run on every object store: releases, their files and their trail."""

import pickle
from pathlib import Path

import pytest
from samples.candidates import FAILED, PASSED, candidate_files, manifest
from support.registry import CARD_FRAUD, FOLDER, STORES, A, B, Bench, C, Passing

from ml_platform.checks import CheckOutcome
from ml_platform.errors import (
    ArtifactTamperedError,
    ConfigurationError,
    ConflictError,
    GateNotPassedError,
    NotFoundError,
)
from ml_platform.models.releases.registry import Registry


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


@pytest.mark.parametrize("name", ["model.ubj", "manifest.json", "card", ""])
def test_what_is_lost_of_a_champion_is_stored_again_from_its_candidate(bench: Bench, name: str) -> None:
    released = bench.release(A)
    before = {key: bench.store.read(key)[0] for key in bench.stored()}
    assert bench.registry.is_whole(*CARD_FRAUD)
    for key in before:
        if key.startswith(bench.key(released, name)):
            bench.store.delete(key)
    assert not bench.registry.is_whole(*CARD_FRAUD)
    assert bench.release(A) == released
    assert bench.registry.is_whole(*CARD_FRAUD)
    assert {key: bench.store.read(key)[0] for key in bench.stored()} == before


def test_what_was_altered_is_refused_until_it_is_removed(bench: Bench) -> None:
    released = bench.release(A)
    bench.store.write(bench.key(released, "model.ubj"), b"longer than before")
    assert not bench.registry.is_whole(*CARD_FRAUD)
    with pytest.raises(ArtifactTamperedError, match="remove what was changed"):
        bench.release(A)
    bench.store.delete(bench.key(released, "model.ubj"))
    bench.release(A)
    assert bench.store.read(bench.key(released, "model.ubj"))[0] == A


def test_another_manifest_is_not_stored_in_the_place_of_a_lost_one(bench: Bench) -> None:
    released = bench.release(A)
    bench.store.delete(bench.key(released, "manifest.json"))
    with pytest.raises(ArtifactTamperedError, match=r"manifest\.json is missing"):
        bench.release(A, run_id="another run")
    assert bench.store.stat(bench.key(released, "manifest.json")) is None


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
