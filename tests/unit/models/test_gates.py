from datetime import timedelta

import numpy as np
import pyarrow as pa
import pytest
from samples import labelled

from ml_platform.errors import SchemaMismatchError
from ml_platform.models.evaluation.baselines import fit_baselines
from ml_platform.models.evaluation.gates import judge
from ml_platform.models.evaluation.metrics import evaluate
from ml_platform.models.frameworks.base import FittedModel
from ml_platform.models.training.data import LabelledRows
from ml_platform.models.training.splits import folds
from ml_platform.use_case import Gate, Segment


class Scores(FittedModel):
    """A model that gives the scores it was made with, in the order of the test rows."""

    def __init__(self, scores, feature="weight"):
        self.scores, self.feature = scores, feature

    feature_names = property(lambda self: (self.feature,))

    def predict(self, features):
        if self.feature not in features.column_names:
            raise SchemaMismatchError(f"the model needs the features ['{self.feature}']")
        return self.scores[: features.num_rows]

    def save(self, folder):
        (folder / "model.bin").write_bytes(b"0" * 2_000_000)

    @classmethod
    def load(cls, folder):
        raise NotImplementedError

    def importance(self):
        return {self.feature: 1.0}


@pytest.fixture(scope="module")
def case():
    """The newest fold of the sample, a good model's scores on it, and the baselines' metrics."""
    use_case, as_of = labelled.use_case(), labelled.START + timedelta(days=30)
    rows = LabelledRows(labelled.parcels(), use_case, as_of)
    fold = folds(rows.first, as_of, use_case.model.split, use_case.dataset.label.delay)[0]
    train, test = rows.training(fold), rows.test(fold)
    scores = labelled.train(train, {"rounds": 20, "max_depth": 3}, 0).predict(test.features)
    baselines = {
        name: evaluate(scorer.predict(test.features), test, 5)
        for name, scorer in fit_baselines(train).items()
    }
    return test, scores, baselines


@pytest.fixture
def judged(case, tmp_path):
    test, good, baselines = case

    def run(scores=None, champion=None, baselines=baselines, **gate):
        model = Scores(good if scores is None else scores)
        model.save(tmp_path)
        declared = Gate(max_calibration_error=0.1, min_segment_positives=5, **gate)
        outcomes = judge(model, tmp_path, test, declared, baselines=baselines, champion=champion, k=5)
        return {outcome.name: outcome for outcome in outcomes}

    return run


BASE_RATE_ONLY = {"base_rate": {"average_precision": 0.05}}


def test_a_good_model_passes_every_gate_and_all_are_blocking(judged):
    outcomes = judged(baselines=BASE_RATE_ONLY, floors={"auc": 0.6})
    assert {name for name, outcome in outcomes.items() if not outcome.passed} == set()
    assert all(outcome.blocking and outcome.severity == "ERROR" for outcome in outcomes.values())
    assert list(outcomes) == [
        "predictions_sound",
        "absolute_floors",
        "beats_baselines",
        "beats_champion",
        "segments_hold",
        "calibrated",
        "latency",
        "size",
    ]


def test_a_floor_names_the_metric_that_misses_it(judged):
    outcome = judged(floors={"auc": 0.5, "average_precision": 0.999})["absolute_floors"]
    assert not outcome.passed
    assert outcome.description.startswith("average_precision is 0.")
    assert "its floor 0.999" in outcome.description


def test_a_metric_that_is_not_defined_misses_its_floor(judged):
    outcome = judged(floors={"profit": 1.0})["absolute_floors"]
    assert not outcome.passed
    assert "profit is not defined" in outcome.description


def test_a_model_that_is_wrong_does_not_beat_the_baselines(judged, case):
    outcome = judged(0.5 - case[1] / 2)["beats_baselines"]
    assert not outcome.passed
    assert "not better than" in outcome.description
    assert "logistic_regression" in outcome.metadata


def test_a_better_champion_stays_unless_the_tolerance_covers_it(judged, case):
    test, good, _ = case
    perfect = Scores(np.clip(test.labels + 0.01 * good, 0, 1))
    outcome = judged(champion=perfect)["beats_champion"]
    assert not outcome.passed
    assert outcome.metadata["champion"] == 1
    assert judged(champion=perfect, champion_tolerance=0.999)["beats_champion"].passed
    assert judged(champion=Scores(good))["beats_champion"].passed


def test_a_champion_whose_features_are_gone_warns_and_does_not_block(judged, case):
    outcome = judged(champion=Scores(case[1], feature="colour"))["beats_champion"]
    assert (outcome.passed, outcome.severity, outcome.blocking) == (False, "WARN", False)
    assert "colour" in outcome.description


def test_a_segment_that_collapses_is_named_and_small_ones_are_not_judged(judged, case):
    test, good, _ = case
    heavy = test.features.column("weight").to_numpy() >= 2
    upside_down = np.where(heavy, 0.5 - good / 2, good)
    segments = (
        Segment(name="light", column="weight", high=2),
        Segment(name="heavy", column="weight", low=2),
        Segment(name="huge", column="weight", low=1e6),
    )
    outcome = judged(upside_down, segments=segments, min_segment_auc=0.5)["segments_hold"]
    assert not outcome.passed
    assert "heavy (auc 0." in outcome.description
    assert "light (" not in outcome.description
    assert outcome.metadata["huge"] == "not judged: 0 positives of 0 rows"
    assert judged(segments=segments, min_segment_auc=0.5)["segments_hold"].passed


def test_a_segment_of_something_that_is_no_feature_is_refused(judged):
    with pytest.raises(SchemaMismatchError, match="'colour' is not a feature"):
        judged(segments=(Segment(name="red", column="colour"),))


def test_overconfident_scores_are_not_calibrated(judged, case):
    outcome = judged(np.clip(case[1] * 5 + 0.2, 0, 1))["calibrated"]
    assert not outcome.passed
    assert outcome.metadata["predicted_share"] > outcome.metadata["observed_share"]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda scores: np.where(np.arange(len(scores)) == 3, np.nan, scores), "some are not finite"),
        (lambda scores: scores * 3 - 1, r"some are outside [0, 1]"),
        (lambda scores: np.full(len(scores), 0.3), "all are equal"),
    ],
)
def test_unsound_predictions_are_refused(judged, case, change, said):
    outcome = judged(change(case[1]))["predictions_sound"]
    assert not outcome.passed
    assert said in outcome.description


def test_a_model_beyond_the_declared_size_or_time_is_refused(judged):
    outcomes = judged(max_size_mb=1.5, max_latency_ms=1e-9)
    assert not outcomes["size"].passed
    assert outcomes["size"].metadata["megabytes"] == pytest.approx(2, abs=0.1)
    assert not outcomes["latency"].passed


def test_logistic_regression_stands_a_column_of_nulls():
    table = labelled.parcels()
    nothing = table.set_column(4, "distance", pa.nulls(table.num_rows, pa.float64()))
    use_case, as_of = labelled.use_case(), labelled.START + timedelta(days=30)
    rows = LabelledRows(nothing, use_case, as_of)
    fold = folds(rows.first, as_of, use_case.model.split, use_case.dataset.label.delay)[0]
    train, test = rows.training(fold), rows.test(fold)
    for scorer in fit_baselines(train).values():
        assert np.isfinite(scorer.predict(test.features)).all()
