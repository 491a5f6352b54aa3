from datetime import timedelta

import numpy as np
import pytest
from samples import labelled, problems

from ml_platform.checks import CheckOutcome
from ml_platform.errors import ConfigurationError, SchemaMismatchError, UserCodeError
from ml_platform.models.evaluation.gates import gate_checks, judge
from ml_platform.models.evaluation.metrics import evaluate
from ml_platform.models.frameworks.base import FittedModel
from ml_platform.models.tasks.base import task
from ml_platform.models.training.data import LabelledRows
from ml_platform.models.training.splits import folds
from ml_platform.use_case import Gate, GateCheck, Metric, Model, Segment


class Fixed(FittedModel):
    """A model that gives the predictions it was made with, in the order of the test rows."""

    def __init__(self, predictions, feature="weight", work=0):
        self.predictions, self.feature, self.work = predictions, feature, work

    task = "binary"
    feature_names = property(lambda self: (self.feature,))

    def predict(self, features):
        if self.feature not in features.column_names:
            raise SchemaMismatchError(f"the model needs the features ['{self.feature}']")
        for _ in range(self.work):
            np.linalg.norm(np.ones((300, 300)))
        return self.predictions.slice(0, features.num_rows)

    def save(self, folder):
        (folder / "model.bin").write_bytes(b"0" * 2_000_000)

    @classmethod
    def load(cls, folder):
        raise NotImplementedError


def scores(values):
    return task("binary").predictions(np.asarray(values), ())


@pytest.fixture(scope="module")
def case():
    """The newest fold of the sample, a good model's scores on it, and the baselines' metrics."""
    use_case, as_of = labelled.use_case(), labelled.START + timedelta(days=30)
    model = use_case.model()
    rows = LabelledRows(labelled.parcels(), use_case, model, as_of)
    fold = folds(rows.first, as_of, model.split, use_case.data.maturity)[0]
    train, test = rows.training(fold), rows.test(fold)
    good = labelled.train(train, {"rounds": 20, "max_depth": 3}, 0).predict(test.features)
    baselines = {
        name: evaluate(model, baseline.predict(test.features), test)
        for name, baseline in task("binary").baselines(train).items()
    }
    return test, good.column("score").to_numpy(), baselines


@pytest.fixture
def judged(case, tmp_path):
    test, good, baselines = case

    def run(values=None, champion=None, baselines=baselines, metrics=(), work=0, **gate):
        model = Fixed(scores(good if values is None else values), work=work)
        model.save(tmp_path)
        declared = Model(train=print, metrics=metrics, gate=Gate(min_segment_rows=20, **gate))
        outcomes = judge(declared, model, tmp_path, test, baselines=baselines, champion=champion)
        assert [outcome.name for outcome in outcomes] in (list(gate_checks(declared)), ["predictions_sound"])
        return {outcome.name: outcome for outcome in outcomes}

    return run


BASE_RATE_ONLY = {"base_rate": {"average_precision": 0.05}}
EVERYTHING = {
    "limits": {"auc": 0.6, "log_loss": 0.5},
    "max_calibration_error": 0.1,
    "segments": (Segment(name="light", column="weight", high=2),),
}


def test_a_good_model_passes_every_gate_and_all_are_blocking(judged):
    outcomes = judged(baselines=BASE_RATE_ONLY, **EVERYTHING)
    assert {name for name, outcome in outcomes.items() if not outcome.passed} == set()
    assert all(outcome.blocking and outcome.severity == "ERROR" for outcome in outcomes.values())
    assert list(outcomes) == [
        "predictions_sound",
        "limits",
        "beats_baselines",
        "beats_champion",
        "segments_hold",
        "calibrated",
        "latency",
        "size",
    ]


def test_every_check_but_soundness_can_be_left_out(judged):
    nothing = judged(beats_baselines_on=None, beats_champion_on=None, max_latency_ms=None, max_size_mb=None)
    assert list(nothing) == ["predictions_sound"]


def test_a_limit_names_the_metric_that_misses_it(judged):
    outcome = judged(limits={"auc": 0.5, "average_precision": 0.999})["limits"]
    assert not outcome.passed
    assert outcome.description.startswith("average_precision is 0.")
    assert "its lowest accepted value 0.999" in outcome.description


def test_a_limit_on_a_loss_is_its_highest_value(judged):
    assert judged(limits={"log_loss": 0.9})["limits"].passed
    outcome = judged(limits={"log_loss": 0.001})["limits"]
    assert not outcome.passed
    assert "its highest accepted value 0.001" in outcome.description


def test_the_main_metric_may_be_a_loss(judged, case):
    test, good, _ = case
    worse = Fixed(scores(np.full(len(good), 0.5)))
    against = {"beats_champion_on": "log_loss", "beats_baselines_on": "log_loss"}
    outcomes = judged(champion=worse, baselines={"coin": {"log_loss": 0.69}}, **against)
    assert outcomes["beats_champion"].passed
    assert outcomes["beats_baselines"].passed
    better = Fixed(scores(np.clip(test.labels, 0.001, 0.999)))
    outcomes = judged(champion=better, baselines={"perfect": {"log_loss": 0.001}}, **against)
    assert not outcomes["beats_champion"].passed
    assert not outcomes["beats_baselines"].passed


def test_a_baseline_that_is_better_by_another_judged_metric_is_told(judged):
    given = {"limits": {"auc": 0.5}, "beats_baselines_on": "average_precision"}
    outcome = judged(baselines={"linear": {"average_precision": 0.1, "auc": 0.9999}}, **given)[
        "beats_baselines"
    ]
    assert outcome.passed
    assert "though linear has the better auc, 0.9999 to 0." in outcome.description
    outcome = judged(baselines={"linear": {"average_precision": 0.1, "auc": 0.4}}, **given)["beats_baselines"]
    assert "though" not in outcome.description


def test_a_metric_that_does_not_exist_is_an_error_that_names_those_there_are(judged):
    with pytest.raises(ConfigurationError, match=r"'profit'; choose one of \['auc'"):
        judged(limits={"profit": 1.0})


def test_a_metric_that_is_not_defined_misses_its_limit(judged):
    nothing = Metric(name="profit", function=lambda predictions, test: None)
    outcome = judged(limits={"profit": 1.0}, metrics=(nothing,))["limits"]
    assert not outcome.passed
    assert "profit is not defined" in outcome.description


def test_a_use_cases_own_metric_has_its_direction(judged):
    late = Metric(name="late", function=lambda predictions, test: 7, higher_is_better=False)
    assert judged(limits={"late": 8}, metrics=(late,))["limits"].passed
    assert not judged(limits={"late": 6}, metrics=(late,))["limits"].passed


def test_a_metric_that_returns_no_number_is_refused(judged):
    with pytest.raises(ConfigurationError, match="metric odd returned str 'much'"):
        judged(limits={"odd": 1}, metrics=(Metric(name="odd", function=lambda p, t: "much"),))


def test_a_metric_that_raises_an_error_is_named_with_the_columns_that_there_are(judged):
    odd = Metric(name="odd", function=lambda predictions, test: predictions.column("scor"))
    with pytest.raises(
        UserCodeError, match=r"metric odd.*KeyError.*predictions with the columns score; test\.rows"
    ):
        judged(limits={"odd": 1}, metrics=(odd,))


def test_a_model_that_is_wrong_does_not_beat_the_baselines(judged, case):
    outcome = judged(0.5 - case[1] / 2)["beats_baselines"]
    assert not outcome.passed
    assert "not better than" in outcome.description
    assert "logistic_regression" in outcome.metadata


def test_a_better_champion_stays_unless_the_tolerance_covers_it(judged, case):
    test, good, _ = case
    perfect = Fixed(scores(np.clip(test.labels + 0.01 * good, 0, 1)))
    outcome = judged(champion=perfect)["beats_champion"]
    assert not outcome.passed
    assert outcome.metadata["champion"] == 1
    assert judged(champion=perfect, champion_tolerance=0.999)["beats_champion"].passed
    assert judged(champion=Fixed(scores(good)))["beats_champion"].passed


def test_a_champion_that_cannot_be_compared_warns_and_does_not_block(judged, case):
    gone = Fixed(scores(case[1]), feature="colour")
    other = Fixed(task("regression").predictions(case[1], ()))
    for champion, said in ((gone, "colour"), (other, "value (double)")):
        outcome = judged(champion=champion)["beats_champion"]
        assert (outcome.passed, outcome.severity, outcome.blocking) == (False, "WARN", False)
        assert said in outcome.description


def test_a_segment_that_collapses_is_named_and_small_ones_are_not_judged(judged, case):
    test, good, _ = case
    heavy = test.features.column("weight").to_numpy() >= 2
    upside_down = np.where(heavy, 0.5 - good / 2, good)
    segments = (
        Segment(name="light", column="weight", high=2),
        Segment(name="heavy", column="weight", low=2),
        Segment(name="huge", column="weight", low=1e6),
    )
    judging = {"segments": segments, "segment_metric": "auc", "segment_limit": 0.5}
    outcome = judged(upside_down, **judging)["segments_hold"]
    assert not outcome.passed
    assert "heavy (auc 0." in outcome.description
    assert "light (" not in outcome.description
    assert outcome.metadata["huge"] == "not judged: 0 rows"
    assert judged(**judging)["segments_hold"].passed
    assert judged(upside_down, **{**judging, "segment_limit": None})["segments_hold"].passed, "only reported"


def test_a_segments_limit_has_the_metrics_direction(judged):
    segments = (Segment(name="light", column="weight", high=2),)
    judging = {"segments": segments, "segment_metric": "log_loss"}
    assert judged(**judging, segment_limit=0.9)["segments_hold"].passed
    assert not judged(**judging, segment_limit=1e-4)["segments_hold"].passed


def test_a_segment_may_be_some_values_of_a_category_or_key(judged, case):
    test, _, _ = case
    senders = tuple(sorted(set(test.rows.column("sender_id").to_pylist()))[:120])
    segments = (Segment(name="regulars", column="sender_id", values=senders),)
    outcome = judged(segments=segments, segment_metric="brier", segment_limit=0.3)["segments_hold"]
    inside = np.isin(test.rows.column("sender_id").to_pylist(), senders)
    expected = evaluate(Model(train=print), scores(case[1][inside]), test.filter(inside))
    assert outcome.metadata["regulars"] == pytest.approx(expected["brier"])


def test_a_segment_on_which_the_metric_is_not_defined_is_not_judged(judged, case):
    segments = (Segment(name="certain", column="weight", high=0.5),)
    only = Metric(name="auc_of_some", function=lambda predictions, test: None)
    judging = {"segments": segments, "segment_metric": "auc_of_some", "segment_limit": 0.5}
    outcome = judged(**judging, metrics=(only,))["segments_hold"]
    assert outcome.passed
    assert "auc_of_some is not defined" in outcome.metadata["certain"]


def test_a_segment_of_something_that_is_no_column_is_refused(judged):
    with pytest.raises(SchemaMismatchError, match="'colour' is neither a feature nor a key"):
        judged(segments=(Segment(name="red", column="colour", values=("red",)),))


def test_overconfident_scores_are_not_calibrated(judged, case):
    outcome = judged(np.clip(case[1] * 5 + 0.2, 0, 1), max_calibration_error=0.1)["calibrated"]
    assert not outcome.passed
    assert "limit 0.1" in outcome.description


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda values: np.where(np.arange(len(values)) == 3, np.nan, values), "some are not finite"),
        (lambda values: values * 3 - 1, r"some are outside [0, 1]"),
        (lambda values: np.full(len(values), 0.3), "all are equal"),
    ],
)
def test_unsound_predictions_are_refused(judged, case, change, said):
    outcome = judged(change(case[1]))["predictions_sound"]
    assert not outcome.passed
    assert said in outcome.description


def test_a_model_beyond_the_declared_size_or_time_is_refused(judged):
    outcomes = judged(max_size_mb=1.5, max_latency_ms=0.001, work=1)
    assert not outcomes["size"].passed
    assert outcomes["size"].metadata["megabytes"] == pytest.approx(2, abs=0.1)
    assert not outcomes["latency"].passed
    assert "processor time" in outcomes["latency"].description


def test_a_use_cases_own_check_sees_what_the_gate_sees(judged):
    seen = []

    def few(given):
        seen.append(given)
        share = float((given.predictions.column("score").to_numpy() > 0.5).mean())
        return CheckOutcome("whatever", share < 0.001, f"{share:.1%} of the rows would be alerts")

    own = GateCheck(name="few_alerts", description="No flood of alerts.", function=few)
    outcome = judged(checks=(own,))["few_alerts"]
    assert (outcome.passed, outcome.blocking) == (False, True)
    assert "would be alerts" in outcome.description
    assert seen[0].metrics["auc"] > 0.5
    assert seen[0].champion_predictions is None
    advice = own.model_copy(update={"blocking": False})
    assert not judged(checks=(advice,))["few_alerts"].blocking
    with pytest.raises(ConfigurationError, match="few_alerts returned bool; return a CheckOutcome"):
        judged(checks=(own.model_copy(update={"function": lambda given: True}),))


@pytest.mark.parametrize("kind", ["multiclass", "regression", "embedding"])
def test_other_tasks_are_judged_by_their_own_main_metric(kind, tmp_path):
    test, predictions = problems.judged(kind), problems.predictions(kind, noise=0.3)
    declared = Model(train=print, task=kind)
    own = task(kind)
    baselines = {
        name: evaluate(declared, b.predict(test.features), test)
        for name, b in own.baselines(problems.training(kind)).items()
    }
    model = Fixed(predictions, feature="size")
    champion = Fixed(problems.predictions(kind, noise=3), feature="size")
    outcomes = judge(declared, model, tmp_path, test, baselines=baselines, champion=champion)
    assert [o.name for o in outcomes if not o.passed] == []
    against = next(o for o in outcomes if o.name == "beats_champion")
    assert own.primary in against.description


def test_bias_is_limited_on_both_sides(tmp_path):
    test = problems.judged("regression")
    for shift, passed in ((0.5, True), (-0.5, True), (3, False), (-3, False)):
        model = Fixed(task("regression").predictions(test.labels + shift, ()), feature="size")
        declared = Model(train=print, task="regression", gate=Gate(limits={"bias": 1.0}))
        outcomes = judge(declared, model, tmp_path, test, baselines={}, champion=None)
        assert next(o for o in outcomes if o.name == "limits").passed is passed
