"""The contract of a task, over every task that there is."""

import re
from datetime import UTC, datetime, timedelta

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from samples import problems

from ml_platform.errors import ConfigurationError, DataError, SchemaMismatchError
from ml_platform.models.tasks.base import Direction, Distribution, require_schema, task, task_names
from ml_platform.models.training.data import TrainingData
from ml_platform.use_case import Dataset, Label
from ml_platform.warehouse.duckdb import DuckDBWarehouse

KINDS = ("binary", "multiclass", "regression", "embedding")
LABELLED = KINDS[:3]
AS_OF = datetime(2014, 6, 1, tzinfo=UTC)
DAYS = 20


@pytest.fixture(params=KINDS)
def kind(request):
    return request.param


def dataset(kind, label=None):
    return Dataset(events="a.events", id="id", features=("x",), label=label or problems.label(kind))


def snapshot(kind, **changes):
    """A labelled snapshot, whose labels arrive a day later; ``changes`` of its columns."""
    data = problems.judged(kind, DAYS * 10)
    occurred = [AS_OF - timedelta(days=DAYS + 3) + timedelta(hours=2.4 * n) for n in range(DAYS * 10)]
    times = pa.array(occurred, pa.timestamp("us", tz="UTC"))
    values = {
        "binary": pa.array(data.labels, pa.int64()) if kind == "binary" else None,
        "multiclass": pa.array(
            [problems.CLASSES[int(c)] for c in data.labels] if kind == "multiclass" else []
        ),
        "regression": pa.array(data.labels),
    }.get(kind)
    columns = {"id": [f"e{n}" for n in range(DAYS * 10)], "occurred_at": times}
    if kind != "embedding":
        reported = pc.add(times, pa.scalar(timedelta(days=1)))
        if kind == "binary":
            reported = pc.if_else(pc.equal(values, 1), reported, pa.scalar(None, reported.type))
        columns |= {"label": values, "label_available_at": reported}
    return pa.table({**columns, **changes})


def query_of(table):
    """Run SQL over a table as the checks of a dataset do."""

    def query(columns, sql):
        with duckdb.connect() as connection:
            connection.register("snapshot", table.select(list(dict.fromkeys(columns))))
            found = connection.execute(sql)
            names = [column[0] for column in found.description]
            return [dict(zip(names, row, strict=True)) for row in found.fetchall()]

    return query


def judged(kind, table, **label):
    declared = problems.label(kind)
    declared = declared.model_copy(update=label) if declared else None
    return task(kind).labels_check(query_of(table), dataset(kind, declared), AS_OF)


def test_every_task_is_tested():
    assert set(KINDS) == set(task_names())


def test_an_unknown_task_is_refused_with_those_that_exist():
    with pytest.raises(ConfigurationError, match=r"'ranking'.*binary.*ml_platform\.tasks"):
        task("ranking")


# Labels


def test_believable_labels_pass_and_say_how_many_there_are(kind):
    outcome = judged(kind, snapshot(kind))
    assert (outcome.name, outcome.passed, outcome.blocking) == ("labels", True, True), outcome.description
    assert any(character.isdigit() for character in outcome.description)


@pytest.mark.parametrize("kind", LABELLED)
def test_a_label_earlier_than_its_event_fails(kind):
    table = snapshot(kind)
    early = pc.subtract(table["occurred_at"], pa.scalar(timedelta(hours=1)))
    outcome = judged(kind, table.set_column(3, "label_available_at", early))
    assert not outcome.passed
    assert "reported before their event" in outcome.description


@pytest.mark.parametrize("kind", LABELLED)
def test_without_mature_rows_no_label_is_complete(kind):
    outcome = judged(kind, snapshot(kind), delay=timedelta(days=300))
    assert not outcome.passed
    assert "older than 300 days" in outcome.description


@pytest.mark.parametrize(
    ("kind", "values", "label", "said"),
    [
        ("binary", [0] * 200, {}, "none of .* is positive"),
        ("binary", [1] * 200, {"share": (0.0, 0.5)}, "share of positives is 100"),
        ("multiclass", ["loans"] * 200, {}, "fewer than two classes"),
        (
            "multiclass",
            ["loans", "weather"] * 100,
            {},
            r"100 labels are none of the declared classes: \['weather'\]",
        ),
        ("multiclass", ["loans", *["other"] * 199], {"share": (0.05, 0.9)}, "loans 0.50%"),
        ("regression", [7.0] * 200, {}, "all 200 labels are 7"),
        ("regression", [1.0, float("inf")] * 100, {}, "100 labels are not finite"),
        ("regression", [float(n) for n in range(200)], {"range": (0, 150)}, "49 labels are not within"),
        ("regression", [None] * 200, {}, "no row has a label"),
    ],
)
def test_labels_that_cannot_be_are_named(kind, values, label, said):
    types = {"binary": pa.int64(), "multiclass": pa.string(), "regression": pa.float64()}
    outcome = judged(kind, snapshot(kind, label=pa.array(values, types[kind])), **label)
    assert not outcome.passed
    assert re.search(said, outcome.description), outcome.description


@pytest.mark.parametrize(
    ("kind", "label"),
    [
        ("binary", problems.label("multiclass")),
        ("binary", None),
        ("multiclass", problems.label("binary")),
        ("multiclass", problems.label("regression")),
        ("regression", problems.label("binary")),
        ("regression", problems.label("multiclass")),
        ("regression", None),
    ],
)
def test_a_label_that_the_task_cannot_learn_is_refused(kind, label):
    with pytest.raises(ConfigurationError, match=r"Dataset\.label"):
        task(kind).check_label(label)


def test_a_label_that_the_task_learns_is_taken(kind):
    task(kind).check_label(problems.label(kind))


@pytest.mark.parametrize(
    ("kind", "values", "expected"),
    [
        ("binary", pa.array([1, 0]), [1, 0]),
        ("binary", pa.array([True, False]), [1, 0]),
        ("multiclass", pa.array(["other", "card lost"]), [2, 0]),
        ("multiclass", pa.array(["other", "loans"]).dictionary_encode(), [2, 1]),
        ("regression", pa.array([3, 4]), [3.0, 4.0]),
    ],
)
def test_labels_become_numbers(kind, values, expected):
    label = problems.label(kind)
    assert task(kind).encode(pa.chunked_array([values]), label.classes).tolist() == expected


@pytest.mark.parametrize(
    ("kind", "values", "said"),
    [
        ("binary", pa.array([1, 2]), r"\[2\]"),
        ("binary", pa.array(["yes", "no"]), "0 and 1"),
        ("multiclass", pa.array(["loans", "weather"]), "weather"),
        ("regression", pa.array(["many"]), "no number"),
        ("regression", pa.array([float("nan")]), "not finite"),
    ],
)
def test_labels_that_are_none_are_refused(kind, values, said):
    with pytest.raises(DataError, match=said):
        task(kind).encode(pa.chunked_array([values]), problems.label(kind).classes)


@pytest.mark.parametrize("kind", LABELLED)
def test_labels_of_one_kind_cannot_be_learnt(kind):
    data = problems.training(kind)
    assert task(kind).learnable(data.labels, data.classes) is None
    assert task(kind).learnable(np.full_like(data.labels, data.labels[0]), data.classes)


# Predictions


def test_predictions_have_the_schema_and_pass(kind):
    predictions, schema = problems.predictions(kind), task(kind).prediction_schema(problems.label(kind))
    require_schema(predictions, schema, 200, "it")
    assert task(kind).problems(predictions) == []
    assert not task(kind).is_constant(predictions)
    assert task(kind).is_constant(predictions.take([3] * 5))
    with pytest.raises(SchemaMismatchError, match="it returned 200 predictions"):
        require_schema(predictions, schema, 199, "it")
    with pytest.raises(SchemaMismatchError):
        require_schema(predictions.append_column("more", pa.nulls(200)), schema, 200, "it")


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), None])
def test_predictions_that_are_not_finite_are_named(kind, bad):
    predictions = problems.predictions(kind)
    place = predictions.num_columns - 1
    values = predictions.column(place).to_pylist()
    values[3] = None if bad is None else [bad] * 5 if kind == "embedding" else bad
    broken = predictions.set_column(
        place, predictions.field(place), pa.array(values, predictions.field(place).type)
    )
    assert task(kind).problems(broken)


@pytest.mark.parametrize(
    ("kind", "raw"), [("binary", [0.2, 1.5]), ("multiclass", [[0.5, 0.5, 0.5], [1.0, 0, 0]])]
)
def test_scores_that_are_no_probabilities_are_named(kind, raw):
    predictions = task(kind).predictions(np.array(raw), problems.CLASSES if kind == "multiclass" else ())
    assert task(kind).problems(predictions)


# Metrics


def test_every_metric_has_a_direction_and_the_main_ones_are_among_them(kind):
    test, own = problems.judged(kind), task(kind)
    directions = own.directions(test.classes)
    found = own.metrics(problems.predictions(kind), test.labels, test.classes)
    assert set(found) <= set(directions)
    assert own.primary in found
    assert set(own.watched) <= set(directions) - own.uncounted
    assert own.uncounted <= set(directions)
    assert all(np.isfinite(value) for value in found.values())


@pytest.mark.parametrize("kind", LABELLED)
def test_better_predictions_are_better_in_every_direction(kind):
    own, test = task(kind), problems.judged(kind, 2_000)
    good, bad = (
        own.metrics(problems.predictions(kind, 2_000, noise=noise), test.labels, test.classes)
        for noise in (0.1, 2.5)
    )
    for name, direction in own.directions(test.classes).items():
        if name in {"calibration_error", "bias"}:
            continue  # both may be as small for noise
        assert direction.reaches(good[name], bad[name]), name
        assert direction.beats(good[name], bad[name]) or good[name] == bad[name], name


def test_no_rows_have_no_metrics(kind):
    test = problems.judged(kind)
    nothing = problems.predictions(kind).slice(0, 0)
    assert task(kind).metrics(nothing, test.labels[:0], test.classes) == {}


def test_a_direction_says_what_is_better():
    assert Direction.HIGHER.beats(2, 1)
    assert Direction.LOWER.beats(1, 2)
    assert Direction.ZERO.beats(-1, 2)
    assert not Direction.ZERO.beats(-1, 1)
    assert Direction.LOWER.reaches(1.0, 1.0)
    assert Direction.HIGHER.reaches(0.7, 0.71, tolerance=0.02)
    assert not Direction.HIGHER.reaches(0.7, 0.73, tolerance=0.02)
    assert not Direction.ZERO.reaches(-3, 2)


def test_multiclass_metrics_are_those_of_scikit_learn():
    from sklearn.metrics import accuracy_score, f1_score, log_loss, precision_score, recall_score

    test, predictions = problems.judged("multiclass"), problems.predictions("multiclass")
    found = task("multiclass").metrics(predictions, test.labels, test.classes)
    best = task("multiclass").encode(predictions.column("predicted"), test.classes)
    scores = np.column_stack([predictions.column(n).to_numpy() for n in predictions.column_names[1:]])
    assert found["accuracy"] == pytest.approx(accuracy_score(test.labels, best))
    assert found["macro_f1"] == pytest.approx(f1_score(test.labels, best, average="macro"))
    assert found["log_loss"] == pytest.approx(log_loss(test.labels, scores))
    for code, name in enumerate(("card_lost", "loans", "other")):
        of_class = {"labels": [code], "average": "macro"}
        assert found[f"precision_{name}"] == pytest.approx(precision_score(test.labels, best, **of_class))
        assert found[f"recall_{name}"] == pytest.approx(recall_score(test.labels, best, **of_class))


def test_regression_metrics_are_those_of_scikit_learn():
    from sklearn.metrics import mean_absolute_error, median_absolute_error, r2_score, root_mean_squared_error

    test, predictions = problems.judged("regression"), problems.predictions("regression")
    values = predictions.column("value").to_numpy()
    assert task("regression").metrics(predictions, test.labels, ()) == {
        "mae": pytest.approx(mean_absolute_error(test.labels, values)),
        "rmse": pytest.approx(root_mean_squared_error(test.labels, values)),
        "r2": pytest.approx(r2_score(test.labels, values)),
        "median_absolute_error": pytest.approx(median_absolute_error(test.labels, values)),
        "bias": pytest.approx((values - test.labels).mean()),
    }


def test_embeddings_on_a_line_have_one_dimension_and_neighbours_agree():
    own, random = task("embedding"), np.random.default_rng(0)
    line = own.predictions(np.outer(random.normal(size=100), [1, 2, 3]), ())
    ball = own.predictions(random.normal(size=(1000, 3)), ())
    assert own.metrics(line, np.empty(0), ())["effective_dimensions"] == pytest.approx(1, abs=1e-3)
    assert own.metrics(ball, np.empty(0), ())["effective_dimensions"] == pytest.approx(3, abs=0.1)
    labels = np.arange(100) % 2
    apart = own.predictions(np.eye(2)[labels] + random.normal(0, 0.1, (100, 2)), ())
    assert own.metrics(apart, labels, ())["neighbour_agreement"] == 1


# Baselines and plots


def test_baselines_predict_what_a_model_would_have_to(kind):
    data, test = problems.training(kind), problems.judged(kind)
    found = task(kind).baselines(data)
    assert bool(found) == (kind != "embedding")
    for baseline in found.values():
        predictions = baseline.predict(test.features)
        require_schema(predictions, task(kind).prediction_schema(problems.label(kind)), 200, "it")
        assert task(kind).problems(predictions) == []


@pytest.mark.parametrize("kind", LABELLED)
def test_without_a_numeric_feature_only_the_base_rate_is_left(kind):
    data = problems.training(kind)
    texts = TrainingData(data.features.select(["text", "region"]), data.labels, data.classes)
    assert len(task(kind).baselines(texts)) == 1
    assert len(task(kind).baselines(data)) == 2


@pytest.mark.parametrize("kind", LABELLED)
def test_baselines_stand_a_column_of_nulls_and_a_class_that_does_not_occur(kind):
    data = problems.training(kind)
    features = data.features.set_column(0, "size", pa.nulls(data.features.num_rows, pa.float64()))
    labels = np.where(data.labels == 2, 0, data.labels) if kind == "multiclass" else data.labels
    for baseline in task(kind).baselines(TrainingData(features, labels, data.classes)).values():
        assert task(kind).problems(baseline.predict(features)) == []


def test_plots_are_pictures_and_the_same_each_time(kind):
    from io import BytesIO

    from matplotlib.image import imread

    test, predictions = problems.judged(kind), problems.predictions(kind)
    baselines = {
        name: b.predict(test.features) for name, b in task(kind).baselines(problems.training(kind)).items()
    }
    for shown in (predictions, predictions.take([0] * 200)):
        plots = task(kind).plots(shown, test, baselines)
        assert plots
        assert plots == task(kind).plots(shown, test, baselines)
        for content in plots.values():
            pixels = imread(BytesIO(content), format="png")
            assert pixels.shape[:2] == (506, 825)
            assert pixels.std() > 0.05, "something is drawn"


# Monitoring


@pytest.fixture(scope="module")
def warehouse(tmp_path_factory):
    return DuckDBWarehouse(tmp_path_factory.mktemp("warehouse") / "w.duckdb")


def stored(warehouse, table):
    """The table's name in the warehouse."""
    first = datetime(2014, 1, 1).date()  # noqa: DTZ001 (a date has no zone)
    rows = table.append_column("day", pa.array([first] * table.num_rows, pa.date32()))
    warehouse.execute("DROP TABLE IF EXISTS t.rows") if warehouse.exists("t.rows") else None
    warehouse.replace_partitions("t.rows", "day", [first], rows.to_batches(), rows.schema)
    return "t.rows"


def binned(warehouse, kind, predictions, reference):
    query = task(kind).bins_sql(stored(warehouse, predictions), reference, warehouse.dialect)
    counts = [0] * len(reference.shares)
    for row in warehouse.table(query.sql, query.parameters).to_pylist():
        counts[int(row["bin"])] = row["n"]
    return counts


def test_the_warehouse_counts_the_reference_in_its_own_bins(kind, warehouse):
    predictions = problems.predictions(kind, 500)
    reference = task(kind).distribution(predictions)
    counts = binned(warehouse, kind, predictions, reference)
    np.testing.assert_allclose(np.array(counts) / 500, reference.shares)
    assert Distribution.model_validate_json(reference.model_dump_json()) == reference


def test_a_class_that_was_never_predicted_is_counted_apart(warehouse):
    predictions = problems.predictions("multiclass", 100)
    only = predictions.filter(pc.not_equal(predictions["predicted"], "loans"))
    reference = task("multiclass").distribution(only)
    assert binned(warehouse, "multiclass", predictions, reference)[-1] == 100 - only.num_rows


def figures(warehouse, kind, label, scopes, actual, predictions):
    """Figures from counts, of rows of some scopes and of all."""
    rows = predictions.append_column("actual", actual)
    whole = rows.append_column("scope", pa.nulls(rows.num_rows, pa.int64()))
    table = pa.concat_tables([rows.append_column("scope", pa.array(scopes, pa.int64())), whole])
    own = task(kind)
    query = own.figures_sql(stored(warehouse, table), label, warehouse.dialect)
    return own.figures(warehouse.table(query.sql, query.parameters), label)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000), rare=st.floats(0.005, 0.5), digits=st.sampled_from([1, 3, 17]))
@example(seed=438, rare=0.328125, digits=17)
@pytest.mark.parametrize("kind", LABELLED)
def test_metrics_of_counts_are_those_of_the_rows(warehouse, kind, seed, rare, digits):
    random, own, rows = np.random.default_rng(seed), task(kind), 400
    label = problems.label(kind)
    if kind == "binary":
        labels = (random.random(rows) < rare).astype(np.int8)
        odds = np.log(rare / (1 - rare)) + labels * 2 + random.normal(0, 1, rows)
        raw = (1 / (1 + np.exp(-odds.round(4)))).round(
            digits
        )  # what is closer ranks as equal in the warehouse
        actual = pa.array(labels.astype(np.int64))
    elif kind == "multiclass":
        labels = random.choice(3, rows, p=[1 - rare, rare / 2, rare / 2])
        raw = random.dirichlet([0.5] * 3, rows)
        actual = pa.array([problems.CLASSES[code] for code in labels])
    else:
        labels = (random.normal(1000, 50, rows)).round(digits)
        raw = labels + random.normal(rare * 10, 5, rows)
        actual = pa.array(labels)
    predictions = own.predictions(raw, label.classes)
    scopes = random.integers(0, 3, rows)
    found = figures(warehouse, kind, label, scopes, actual, predictions)
    for scope, counted in found.items():
        mask = np.ones(rows, dtype=bool) if scope is None else scopes == scope
        expected = own.metrics(predictions.filter(pa.array(mask)), labels[mask], label.classes)
        assert counted.rows == mask.sum()
        assert set(counted.metrics) == set(expected) - own.uncounted
        for name, value in counted.metrics.items():
            assert value == pytest.approx(expected[name], abs=1e-3), name
    assert set(found) == {None, *scopes.tolist()}


def test_scores_of_zero_and_one_are_counted_too(warehouse):
    labels = np.array([0, 1, 0, 1], dtype=np.int8)
    raw = np.array([0.0, 1.0, 1e-300, 0.5])
    own = task("binary")
    predictions = own.predictions(raw, ())
    counted = figures(
        warehouse, "binary", problems.label("binary"), [0] * 4, pa.array(labels.astype(int)), predictions
    )
    assert counted[None].metrics == pytest.approx(own.metrics(predictions, labels, ()), abs=1e-6)
    assert counted[None].counts == {"positives": 2}


def test_the_confusion_matrix_is_counted(warehouse):
    label = problems.label("multiclass")
    predictions = task("multiclass").predictions(np.eye(3)[[0, 0, 1, 2]], label.classes)
    actual = pa.array(["card lost", "other", "loans", "other"])
    counted = figures(warehouse, "multiclass", label, [1, 1, 2, 2], actual, predictions)
    assert counted[None].counts["confusion"]["counts"] == [[1, 0, 0], [0, 1, 0], [1, 0, 1]]
    assert counted[1].metrics["accuracy"] == 0.5


def test_vectors_have_no_metric_that_can_be_counted(warehouse):
    label = Label(relation="a.b", id="id", available_at="t", delay=timedelta(0), value="topic")
    predictions = problems.predictions("embedding", 4)
    counted = figures(warehouse, "embedding", label, [1, 1, 2, 2], pa.array(["a"] * 4), predictions)
    assert (counted[None].rows, counted[None].metrics) == (4, {})
