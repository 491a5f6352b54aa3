"""One use case as Dagster definitions."""

import dagster as dg

from ml_platform.orchestration.assets.champion import champion_asset
from ml_platform.orchestration.assets.dataset import dataset_asset
from ml_platform.orchestration.assets.model import model_asset
from ml_platform.orchestration.assets.performance import performance_asset
from ml_platform.orchestration.assets.predictions import prediction_events_asset, predictions_asset
from ml_platform.orchestration.planning.retraining import retraining_sensor
from ml_platform.use_case import UseCase

__all__ = ["use_case_definitions"]


def use_case_definitions(use_case: UseCase) -> dg.Definitions:
    """The assets, with their checks and conditions, and the retraining sensor of a use case.

    =========================== ========================================================
    declaration                 becomes
    =========================== ========================================================
    ``Dataset``                 ``<use_case>/dataset``
    ``Model``                   ``<use_case>/model`` and ``<use_case>/champion``
    ``BatchPrediction``         ``<use_case>/predictions``, ``…/prediction_events``, ``…/performance``
    ``Retraining``              the sensor ``<use_case>_retraining``
    =========================== ========================================================

    A ``FeatureView`` may be several use cases': see :func:`ml_platform.orchestration.assets.online.online_definitions`.
    """
    if not use_case.models:
        return dg.Definitions()
    assets = [dataset_asset(use_case), model_asset(use_case), champion_asset(use_case)]
    if use_case.batch_predictions:
        assets += [
            predictions_asset(use_case),
            prediction_events_asset(use_case),
            performance_asset(use_case),
        ]
    return dg.Definitions(assets=assets, sensors=[retraining_sensor(use_case)])
