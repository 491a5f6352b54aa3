"""Card fraud: which payments should an investigator look at first?

This folder is the whole use case; ``use_case`` below is all that the platform needs to know of it.
"""

from datetime import timedelta

from assets.bank.sources import CUSTOMERS, FRAUD_REPORTS, PAYMENTS, TERMINALS
from assets.card_fraud.features import REQUEST_FEATURES, request_features
from assets.card_fraud.metrics import auc_unknown_cards, average_precision_unknown_cards, card_precision
from assets.card_fraud.plots import threshold_workload
from assets.card_fraud.schema import schema
from assets.card_fraud.train import train
from ml_platform.use_case import (
    BatchPrediction,
    Dataset,
    Feature,
    FeatureView,
    Gate,
    Label,
    Metric,
    Model,
    Plot,
    Retraining,
    Segment,
    Split,
    SyncGuard,
    UseCase,
    ViewFeatures,
)

__all__ = ["use_case"]

REPORT_DELAY = timedelta(days=7)
COUNTS: tuple[float | None, float | None] = (0, None)
SHARES: tuple[float | None, float | None] = (0, 1)

customer_daily = FeatureView(
    name="customer_daily",
    relation="features.customer_daily",
    entity=("customer_id",),
    features=(
        "payments_7d",
        "payments_30d",
        "amount_mean_30d",
        "amount_std_30d",
        "terminals_30d",
        "last_payment_at",
    ),
    ttl=timedelta(days=30),
    guard=SyncGuard(
        max_null_share={"payments_30d": 0, "amount_mean_30d": 0},
        ranges={"payments_7d": COUNTS, "payments_30d": COUNTS, "amount_mean_30d": COUNTS},
        max_age=timedelta(days=2),
    ),
    owner="team:fraud",
    description="How each customer has paid in the 30 days up to the end of a day.",
)

terminal_daily = FeatureView(
    name="terminal_daily",
    relation="features.terminal_daily",
    entity=("terminal_id",),
    features=("payments_7d", "payments_30d", "amount_mean_30d", "customers_30d", "fraud_share_30d"),
    ttl=timedelta(days=30),
    guard=SyncGuard(
        max_null_share={"payments_30d": 0, "fraud_share_30d": 0},
        ranges={"payments_7d": COUNTS, "payments_30d": COUNTS, "fraud_share_30d": SHARES},
        max_age=timedelta(days=2),
    ),
    owner="team:fraud",
    description="What each terminal took in the 30 days up to a day's end, and its share known to be fraud.",
)

use_case = UseCase(
    name="card_fraud",
    owner="team:fraud",
    description="Probability that a card payment is fraud, to rank what investigators check each day.",
    tags={"domain": "payments"},
    sources=(PAYMENTS, CUSTOMERS, TERMINALS, FRAUD_REPORTS),
    dataset=Dataset(
        events="features.payment_features",
        id="payment_id",
        keys=("customer_id", "terminal_id"),
        features=(
            Feature(name="amount", kind="request"),
            *(f"customer_payments_{days}d" for days in (1, 7, 30)),
            *(f"customer_amount_mean_{days}d" for days in (1, 7, 30)),
            "customer_amount_max_30d",
            "customer_seconds_since_last",
            "customer_terminal_payments_30d",
            "customer_home_distance",
            *(f"terminal_payments_{days}d" for days in (1, 7, 30)),
            *(f"terminal_fraud_share_{days}d" for days in (1, 7, 30)),
        ),
        views=(
            ViewFeatures(view=customer_daily, features=("amount_std_30d", "terminals_30d")),
            ViewFeatures(view=terminal_daily, features=("amount_mean_30d", "customers_30d")),
        ),
        label=Label(
            name="is_fraud",
            relation="staging.stg_fraud_reports",
            id="payment_id",
            available_at="reported_at",
            delay=REPORT_DELAY,
            share=(0.0, 0.2),
        ),
        data_schema=schema,
    ),
    models=(
        Model(
            train=train,
            # docs/decisions/0008-model-defaults.md, measured by benchmarks/model_defaults.py
            parameters={
                "rounds": 100,
                "learning_rate": 0.1,
                "max_depth": 4,
                "min_child_weight": 5,
                "subsample": 0.8,
                "colsample_bytree": 0.8,
                "tree_method": "hist",
                "max_bin": 64,
            },
            request_features=request_features,
            request_feature_names=REQUEST_FEATURES,
            split=Split(train_days=30, delay_days=REPORT_DELAY.days, test_days=7, folds=3),
            gate=Gate(
                limits={"auc": 0.7, "average_precision": 0.1},
                max_calibration_error=0.02,
                segments=(
                    Segment(name="small_amounts", column="amount", high=50),
                    Segment(name="medium_amounts", column="amount", low=50, high=150),
                    Segment(name="large_amounts", column="amount", low=150),
                ),
                segment_metric="auc",
                segment_limit=0.55,
                # Fewer payments hold too few frauds to judge by.
                min_segment_rows=2_000,
            ),
            metrics=(
                Metric(name="card_precision_at_100", function=card_precision),
                Metric(name="auc_unknown_cards", function=auc_unknown_cards),
                Metric(name="average_precision_unknown_cards", function=average_precision_unknown_cards),
            ),
            plots=(Plot(name="threshold_workload", function=threshold_workload),),
        ),
    ),
    batch_predictions=(
        BatchPrediction(
            relation="predictions.card_fraud",
            topic="card_fraud.predictions",
            columns=("customer_id", "terminal_id", "amount"),
        ),
    ),
    feature_views=(customer_daily, terminal_daily),
    retraining=Retraining(min_new_labels=200, limit=0.1, cool_down=timedelta(days=1)),
)
