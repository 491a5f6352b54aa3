"""The contract of the registry's stages, run on every object store: the champion, shadows, and the ways back."""

import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from samples.candidates import FAILED, PASSED, candidate_files, manifest
from support.registry import CARD_FRAUD, FOLDER, STORES, A, B, Bench, C, folder_store

from ml_platform.errors import (
    ArtifactTamperedError,
    ConfigurationError,
    ConflictError,
    GateNotPassedError,
    NotFoundError,
)
from ml_platform.models.releases.registry import CHAMPION


@pytest.fixture(params=sorted(STORES))
def bench(request: pytest.FixtureRequest, tmp_path: Path) -> Bench:
    return Bench(tmp_path, STORES[request.param](tmp_path))


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


def entries(bench: Bench) -> list[str]:
    return sorted(info.key for info in bench.store.list(f"{FOLDER}/audit/champion/"))


def test_a_pointer_that_is_set_back_is_refused_and_the_remedy_works(bench: Bench) -> None:
    for model in (A, B):
        bench.release(model)
    c, pointer = bench.release(C), f"{FOLDER}/stages/champion.json"
    bench.store.write(pointer, bench.store.read(entries(bench)[0])[0])
    for read in (
        lambda: bench.registry.current(*CARD_FRAUD),
        lambda: bench.registry.history(*CARD_FRAUD),
        bench.back,
    ):
        with pytest.raises(
            ArtifactTamperedError, match=r"set back to change 1, though .*00000003\.json is on file"
        ):
            read()
    bench.store.write(pointer, bench.store.read(entries(bench)[-1])[0])
    assert bench.registry.current(*CARD_FRAUD) == c


def test_an_entry_that_is_altered_is_named(bench: Bench) -> None:
    for model in (A, B, C):
        bench.release(model)
    first, second, _ = entries(bench)
    content = bench.store.read(second)[0]
    assert b'"why"' in content
    bench.store.write(second, content.replace(b'"who": "', b'"who": "not '))
    with pytest.raises(
        ArtifactTamperedError, match=r"00000002\.json is not the entry that change 3 followed"
    ):
        bench.registry.history(*CARD_FRAUD)
    bench.store.write(second, content)
    bench.store.write(first, bench.store.read(first)[0].replace(b'"who": "', b'"who": "not '))
    with pytest.raises(
        ArtifactTamperedError, match=r"00000001\.json is not the entry that change 2 followed"
    ):
        bench.registry.history(*CARD_FRAUD)


def test_a_trail_that_an_earlier_version_began_is_continued(bench: Bench) -> None:
    a = bench.release(A)
    pointer = f"{FOLDER}/stages/champion.json"
    before = bench.store.read(pointer)[0]
    assert b"previous_sha256" not in before, "the first entry is what an earlier version would have written"
    bench.release(B)
    assert bench.store.read(entries(bench)[0])[0] == before
    assert bench.registry.history(*CARD_FRAUD)[0].version == a.version
    second = json.loads(bench.store.read(entries(bench)[1])[0])
    old = {name: value for name, value in second.items() if name != "previous_sha256"}
    content = bench.promotion().model_validate(old).to_json()
    for key in (pointer, entries(bench)[1]):
        bench.store.write(key, content)
    bench.release(C)
    assert len(bench.registry.history(*CARD_FRAUD)) == 3
