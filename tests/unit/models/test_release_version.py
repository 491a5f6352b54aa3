"""The version of a release is what decides its predictions, and nothing else."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from samples.candidates import FAILED, manifest

from ml_platform.models.releases.manifest import (
    Feature,
    Release,
    ReleaseFile,
    ReleaseManifest,
    Window,
    describe_files,
)
from ml_platform.models.tasks.base import Distribution

MODEL = (ReleaseFile(path="model.ubj", sha256="ab" * 32, size=7),)


def version(
    files: tuple[ReleaseFile, ...] = MODEL, use_case: str = "card", model: str = "model", **changes: object
) -> str:
    return Release.of(use_case, model, files, manifest(**changes)).version


def test_a_version_tells_the_last_day_of_its_data() -> None:
    assert version().startswith("20180714-")
    until_noon = Window(start=datetime(2018, 7, 8, tzinfo=UTC), end=datetime(2018, 7, 15, 12, tzinfo=UTC))
    assert version(test_window=until_noon).startswith("20180715-")


@pytest.mark.parametrize(
    "change",
    [
        {"task": "regression"},
        {"framework": "lightgbm"},
        {"data_version": "d2"},
        {"code_version": "c2"},
        {"parameters": {"max_depth": 7, "eta": 0.1}},
        {"libraries": {"xgboost": "3.3.0"}},
        {"features": [Feature(name="amount", type="float")]},
        {"label": "fraud"},
        {
            "train_window": Window(
                start=datetime(2018, 4, 2, tzinfo=UTC), end=datetime(2018, 7, 1, tzinfo=UTC)
            )
        },
        {"files": (ReleaseFile(path="model.ubj", sha256="ac" * 32, size=7),)},
        {"use_case": "other"},
        {"model": "other"},
    ],
    ids=lambda change: next(iter(change)),
)
def test_what_decides_predictions_makes_another_version(change: dict[str, object]) -> None:
    assert version(**change) != version()  # type: ignore[arg-type]


def test_what_merely_describes_does_not() -> None:
    described = version(
        metrics={"latency_ms": 0.31},
        baselines={},
        gates=[FAILED],
        run_id="run-2",
        owner="team:b",
        description="again",
        test_predictions=Distribution(edges=(0.5,), shares=(0.5, 0.5)),
    )
    assert described == version()


@settings(max_examples=10, deadline=None)
@given(
    st.dictionaries(
        st.text(max_size=5),
        st.integers() | st.floats(allow_nan=False) | st.text() | st.booleans(),
        max_size=4,
    )
)
def test_the_order_of_parameters_does_not_matter_and_manifests_survive_storage(
    parameters: dict[str, object],
) -> None:
    backwards = dict(reversed(parameters.items()))
    assert version(parameters=parameters) == version(parameters=backwards)
    release = Release.of("card", "model", MODEL, manifest(parameters=parameters))
    stored = Release.from_json(release.to_json())
    assert stored.to_json() == release.to_json()
    assert stored.is_consistent


def test_undefined_metrics_are_stored_as_null() -> None:
    stored = ReleaseManifest.from_json(manifest(metrics={"auc": float("nan")}).to_json())
    assert stored.metrics == {"auc": None}


@pytest.mark.parametrize("path", ["", "/etc/passwd", "../other", "a/../../b", "a\\..\\b"])
def test_a_file_cannot_lie_outside_its_release(path: str) -> None:
    with pytest.raises(ValidationError):
        ReleaseFile(path=path, sha256="ab" * 32, size=1)


def test_a_window_needs_zones_and_an_order() -> None:
    with pytest.raises(ValidationError, match="timezone"):
        Window(start=datetime(2018, 1, 1), end=datetime(2018, 1, 2))  # noqa: DTZ001 (the point of the test)
    with pytest.raises(ValidationError, match="ends after"):
        Window(start=datetime(2018, 1, 2, tzinfo=UTC), end=datetime(2018, 1, 2, tzinfo=UTC))


def test_files_are_described_by_path_digest_and_size(tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "x").write_bytes(b"")
    (tmp_path / "a").write_bytes(b"abc")
    found = describe_files(tmp_path)
    assert [(f.path, f.size) for f in found] == [("a", 3), ("b/x", 0)]
    assert found[0].sha256 == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
