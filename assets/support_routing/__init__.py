"""Support routing: which team should answer a customer's message?

This folder is the whole use case; ``use_case`` below is all that the platform needs to know of it.
"""

from datetime import timedelta

from assets.support_routing.schema import schema
from assets.support_routing.sources import MESSAGES, RESOLUTIONS
from assets.support_routing.train import train
from ml_platform.use_case import (
    BatchPrediction,
    Dataset,
    Feature,
    Gate,
    Label,
    Model,
    Retraining,
    Segment,
    Split,
    UseCase,
)

__all__ = ["use_case"]

TEAMS = ("accounts", "cards", "fraud", "loans", "online_banking", "payments")
RESOLUTION_DELAY = timedelta(days=10)
LANGUAGES = ("en", "de", "fr")

use_case = UseCase(
    name="support_routing",
    owner="team:support",
    description="Team that will resolve a customer's message, so that it need not be handed over.",
    tags={"domain": "support"},
    sources=(MESSAGES, RESOLUTIONS),
    dataset=Dataset(
        events="staging.stg_messages",
        id="message_id",
        keys=("customer_id",),
        features=(
            Feature(name="text", kind="request", description="What the customer wrote."),
            Feature(name="channel", kind="request"),
            Feature(name="language", kind="request"),
        ),
        label=Label(
            name="team",
            relation="staging.stg_resolutions",
            id="message_id",
            available_at="resolved_at",
            value="team",
            classes=TEAMS,
            delay=RESOLUTION_DELAY,
            share=(0.01, 0.6),
        ),
        data_schema=schema,
    ),
    models=(
        Model(
            task="multiclass",
            framework="sklearn",
            train=train,
            parameters={"alpha": 1e-5, "min_df": 3, "words": [1, 2], "characters": [2, 5]},
            split=Split(
                train_days=45, min_train_days=14, delay_days=RESOLUTION_DELAY.days, test_days=7, folds=2
            ),
            gate=Gate(
                limits={"accuracy": 0.7, "macro_f1": 0.6, "recall_fraud": 0.6},
                segments=tuple(
                    Segment(name=f"language_{name}", column="language", values=(name,)) for name in LANGUAGES
                ),
                segment_metric="accuracy",
                segment_limit=0.6,
            ),
        ),
    ),
    batch_predictions=(
        BatchPrediction(
            relation="predictions.support_routing",
            topic="support_routing.predictions",
            columns=("customer_id", "channel", "language"),
        ),
    ),
    retraining=Retraining(min_new_labels=2000, metric="accuracy", limit=0.7, cool_down=timedelta(days=1)),
)
