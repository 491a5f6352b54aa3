"""Candidates to release."""

from datetime import UTC, datetime
from pathlib import Path

from ml_platform.checks import CheckOutcome
from ml_platform.models.releases.manifest import Feature, ReleaseManifest, Window

PASSED = CheckOutcome("floors", True, "auc is 0.8, at least 0.7", {"auc": 0.8}, blocking=True)
FAILED = CheckOutcome("floors", False, "auc is 0.6, at least 0.7", {"auc": 0.6}, blocking=True)


def manifest(**changes: object) -> ReleaseManifest:
    """A manifest that passes its gate."""
    content: dict[str, object] = {
        "framework": "xgboost",
        "data_version": "d1",
        "code_version": "c1",
        "parameters": {"max_depth": 6, "eta": 0.1},
        "libraries": {"xgboost": "3.2.0"},
        "features": [Feature(name="amount", type="double")],
        "label": "label",
        "train_window": Window(start=datetime(2018, 4, 1, tzinfo=UTC), end=datetime(2018, 7, 1, tzinfo=UTC)),
        "test_window": Window(start=datetime(2018, 7, 8, tzinfo=UTC), end=datetime(2018, 7, 15, tzinfo=UTC)),
        "metrics": {"auc": 0.8, "card_precision_at_100": 0.3},
        "baselines": {"base rate": {"auc": 0.5}},
        "gates": [PASSED],
        "run_id": "run-1",
    }
    return ReleaseManifest.model_validate(content | changes)


def candidate_files(folder: Path, model: bytes = b"model A", plot: bytes = b"\x89PNG") -> Path:
    """A folder as training leaves it: native files and a card's plots."""
    for name, content in {
        "model.ubj": model,
        "vocabulary/words.json": b"{}",
        "card/precision_recall.png": plot,
    }.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return folder
