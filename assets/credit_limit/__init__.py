"""Credit limit: how much will each customer spend in the next 30 days?

A statistical model of borrowing starts with that. The population is every customer with a payment in the last 90 days,
as of each Monday, 00:00 UTC. This folder is the whole use case; ``use_case`` below is all that the platform needs.
"""

from datetime import timedelta

from assets.bank.sources import PAYMENTS
from assets.credit_limit.schema import schema
from assets.credit_limit.train import train
from ml_platform.use_case import (
    BatchPrediction,
    Dataset,
    FeatureView,
    Gate,
    Label,
    Model,
    Retraining,
    Segment,
    Split,
    SyncGuard,
    UseCase,
)

__all__ = ["use_case"]

KNOWN_AFTER = timedelta(days=35)
"""Spend is added up on the Monday after its 30 days, the fifth after the prediction."""

expected_spend = FeatureView(
    name="customer_expected_spend",
    relation="features.customer_expected_spend",
    entity=("customer_id",),
    features=("expected_spend_30d", "release"),
    ttl=timedelta(days=14),
    guard=SyncGuard(
        max_null_share={"expected_spend_30d": 0},
        ranges={"expected_spend_30d": (0, None)},
        max_age=timedelta(days=9),
    ),
    owner="team:lending",
    description="Spend of each customer over the next 30 days, as the released model expects it.",
)

use_case = UseCase(
    name="credit_limit",
    owner="team:lending",
    description="Expected spend of each customer over the next 30 days, every Monday, to set limits by.",
    tags={"domain": "lending"},
    sources=(PAYMENTS,),
    dataset=Dataset(
        events="features.customer_weekly",
        id="customer_week_id",
        keys=("customer_id",),
        features=(
            *(f"spend_per_day_{days}d" for days in (7, 30, 90)),
            *(f"payments_per_day_{days}d" for days in (7, 30, 90)),
            "amount_mean_90d",
            "active_share_30d",
            "weekend_share_90d",
            "days_since_last",
        ),
        label=Label(
            name="spend_next_30d",
            relation="features.customer_spend_after",
            id="customer_week_id",
            available_at="available_at",
            value="spend_next_30d",
            delay=KNOWN_AFTER,
            range=(0, None),
        ),
        data_schema=schema,
    ),
    models=(
        Model(
            task="regression",
            framework="lightgbm",
            train=train,
            parameters={
                "rounds": 100,
                "objective": "regression",
                "learning_rate": 0.05,
                "num_leaves": 15,
                "min_data_in_leaf": 50,
                "linear_tree": True,  # spend goes on much as it was: a leaf's line says more than its mean
                "linear_lambda": 1.0,
                "feature_fraction": 0.8,
                "bagging_fraction": 0.8,
                "bagging_freq": 1,
            },
            split=Split(min_train_days=7, delay_days=KNOWN_AFTER.days, test_days=7, folds=1),
            gate=Gate(
                limits={"mae": 800.0, "r2": 0.5, "bias": 300.0},
                segments=(
                    Segment(name="small_spenders", column="spend_per_day_30d", high=20),
                    Segment(name="medium_spenders", column="spend_per_day_30d", low=20, high=100),
                    Segment(name="large_spenders", column="spend_per_day_30d", low=100),
                ),
                segment_metric="mae",
                segment_limit=5000.0,
            ),
        ),
    ),
    batch_predictions=(
        BatchPrediction(
            relation="predictions.credit_limit",
            topic="credit_limit.predictions",
            columns=("customer_id", "spend_per_day_30d"),
        ),
    ),
    feature_views=(expected_spend,),
    retraining=Retraining(min_new_labels=5000, metric="mae", limit=1500.0, cool_down=timedelta(days=7)),
)
