import subprocess
import sys
from datetime import UTC, datetime

import numpy as np
import pandera.errors
import pyarrow as pa
import pytest

from assets.card_fraud import use_case
from assets.card_fraud.features import REQUEST_FEATURES, request_features
from assets.card_fraud.schema import schema
from assets.card_fraud.train import train
from ml_platform.models.training.data import TrainingData


def payments(times, amounts, means):
    at = pa.array(times, pa.timestamp("us", tz="UTC"))
    return pa.table({"occurred_at": at, "amount": amounts, "customer_amount_mean_30d": means})


def test_request_features_of_a_payment():
    saturday_night = datetime(2011, 1, 1, 6, 59, 59, tzinfo=UTC)
    monday_noon = datetime(2011, 1, 3, 12, 30, tzinfo=UTC)
    found = request_features(payments([saturday_night, monday_noon], [50.0, 30.0], [25.0, 30.0]))
    assert found.column_names == list(REQUEST_FEATURES)
    assert found.to_pylist() == [
        {"hour": pytest.approx(6 + 59 / 60), "is_night": 1, "is_weekend": 1, "amount_ratio_30d": 2},
        {"hour": 12.5, "is_night": 0, "is_weekend": 0, "amount_ratio_30d": 1},
    ]


def test_a_ratio_to_nothing_is_unknown():
    at = [datetime(1999, 12, 31, tzinfo=UTC)] * 3
    found = request_features(payments(at, [0.0, 5.0, 5.0], pa.array([0.0, 0.0, None], pa.float64())))
    assert found.column("amount_ratio_30d").to_pylist() == [None, None, None]


def test_no_payments_have_no_request_features():
    empty = payments([], pa.array([], pa.float64()), pa.array([], pa.float64()))
    assert request_features(empty).num_rows == 0


def test_request_features_are_those_declared():
    assert use_case.model().request_feature_names == REQUEST_FEATURES
    assert not set(REQUEST_FEATURES) & set(use_case.dataset.feature_names)


def dataset_rows(n=200, **changes):
    """Rows as the dataset has them, of a bank that knows no places."""
    rng = np.random.default_rng(0)
    columns = {
        "payment_id": [str(i) for i in range(n)],
        "occurred_at": pa.array([datetime(2031, 5, 1, i % 24, tzinfo=UTC) for i in range(n)]),
        "customer_id": ["1"] * n,
        "terminal_id": ["2"] * n,
        **{name: rng.random(n) + 1 for name in use_case.dataset.event_features},
        **{f"terminal_fraud_share_{days}d": rng.random(n) for days in (1, 7, 30)},
        **{name: rng.integers(1, 9, n) for name in use_case.dataset.event_features if "payments" in name},
        **{name: rng.random(n) for name in use_case.dataset.view_features},
        "customer_home_distance": pa.nulls(n, pa.float64()),
        "is_fraud": pa.array(rng.integers(0, 2, n), pa.int32()),
    }
    return pa.table(columns | changes)


def test_the_schema_accepts_a_bank_without_places():
    schema().validate(dataset_rows().to_pandas())


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("amount", -0.01),
        ("terminal_fraud_share_7d", 1.2),
        ("customer_payments_1d", 0),
        ("is_fraud", 2),
        ("customer_seconds_since_last", -1.0),
    ],
)
def test_the_schema_refuses_what_cannot_be(column, value):
    rows = dataset_rows().to_pandas()
    rows.loc[7, column] = value
    with pytest.raises(pandera.errors.SchemaError, match=column):
        schema().validate(rows)


def test_it_trains_on_a_bank_without_places():
    rows = dataset_rows()
    rows = rows.select(use_case.dataset.feature_names)
    labels = np.arange(rows.num_rows, dtype=np.int8) % 2
    model = train(TrainingData(rows, labels), use_case.model().parameters, seed=0)
    assert model.feature_names == use_case.dataset.feature_names
    assert np.isfinite(model.predict(rows).column("score").to_numpy()).all()


def test_importing_the_declaration_is_cheap():
    code = (
        "import sys, assets.card_fraud; heavy = ('pandera', 'xgboost', 'sklearn', 'mlflow', 'matplotlib', "
        "'pandas', 'dagster'); print([m for m in heavy if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
