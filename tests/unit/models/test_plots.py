from io import BytesIO

import numpy as np
import pyarrow as pa
import pytest
from matplotlib.image import imread
from ml_platform.models.evaluation.plots import draw_all

from ml_platform.models.evaluation.metrics import workload_table
from ml_platform.models.training.data import TestData


def drawn(labels, scores, alerts=(2, 5)):
    n = len(labels)
    test = TestData(
        pa.table({"x": np.zeros(n)}),
        np.array(labels, np.int8),
        np.zeros(n, np.int64),
        None,
        np.zeros(n, np.bool_),
    )
    return draw_all(
        scores,
        test,
        baselines={"base_rate": np.full(n, 0.1), "logistic_regression": 1 - scores},
        importance={f"a_rather_long_feature_name_{i}": 1 / 20 for i in range(20)},
        workload=workload_table(scores, test, alerts),
    )


@pytest.mark.parametrize("scores", [np.linspace(0, 1, 40), np.zeros(40)])
def test_every_plot_is_a_picture_whatever_the_scores(scores):
    plots = drawn([0, 1] * 20, scores)
    assert set(plots) == {
        "precision_recall",
        "calibration",
        "score_distribution",
        "importance",
        "threshold_workload",
    }
    assert plots == drawn([0, 1] * 20, scores), "the same bytes each time"
    for content in plots.values():
        pixels = imread(BytesIO(content), format="png")
        assert pixels.shape[:2] == (506, 825)
        assert pixels.std() > 0.05, "something is drawn"


def test_fewer_rows_than_alerts_still_draw():
    assert drawn([0, 1, 0], np.array([0.1, 0.9, 0.2]), alerts=(10,))["threshold_workload"]
