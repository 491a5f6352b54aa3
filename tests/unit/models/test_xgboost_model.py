from decimal import Decimal

import numpy as np
import pyarrow as pa
import pytest
from samples import labelled

from ml_platform.errors import ConfigurationError, SchemaMismatchError
from ml_platform.models.frameworks.base import feature_matrix
from ml_platform.models.frameworks.xgboost import XGBoostModel, library
from ml_platform.models.training.data import TrainingData
from ml_platform.models.training.versions import files_digest


@pytest.fixture(scope="module")
def data():
    table = labelled.parcels()
    return TrainingData(table.select(["weight", "distance"]), table.column("lost").to_numpy().astype(np.int8))


@pytest.fixture(scope="module")
def model(data):
    return labelled.train(data, {"rounds": 5, "max_depth": 3}, seed=1)


@pytest.mark.parametrize("threads", [1, 2])
def test_training_again_gives_the_same_bytes_with_any_number_of_threads(model, data, tmp_path, threads):
    labelled.train(data, {"rounds": 5, "max_depth": 3, "nthread": threads}, seed=1).save(tmp_path / "again")
    model.save(tmp_path / "m")
    assert files_digest(tmp_path / "again") == files_digest(tmp_path / "m")


def test_numbers_of_every_kind_become_float32():
    table = pa.table(
        {
            "flag": [True, None],
            "count": pa.array([1, None], pa.int64()),
            "share": [0.5, 1.5],
            "price": pa.array([Decimal("1.00"), Decimal("2.00")]),
        }
    )
    matrix = feature_matrix(table, ("price", "flag", "count", "share"))
    assert matrix.dtype == np.float32
    assert np.array_equal(
        matrix, np.array([[1, 1, 1, 0.5], [2, np.nan, np.nan, 1.5]], np.float32), equal_nan=True
    )


def test_a_text_is_no_part_of_a_matrix_and_the_remedy_is_named():
    table = pa.table({"weight": [1.0], "address": ["far"]})
    with pytest.raises(SchemaMismatchError, match=r"'address' is string.*encode it in `train`.*feature SQL"):
        feature_matrix(table, ("weight", "address"))


@pytest.mark.parametrize("objective", ["multi:softmax", "rank:pairwise", "binary:hinge"])
def test_an_objective_without_probabilities_is_refused_with_those_that_have(data, objective):
    rows = library().DMatrix(
        feature_matrix(data.features, data.feature_names), data.labels, feature_names=["a", "b"]
    )
    settings = {"objective": objective, **({"num_class": 2} if "multi" in objective else {})}
    booster = library().train(settings, rows, num_boost_round=1)
    with pytest.raises(ConfigurationError, match=rf"{objective} gives neither.*binary:logistic"):
        XGBoostModel(booster)


def test_a_booster_without_names_of_features_or_classes_is_refused(data):
    rows = library().DMatrix(feature_matrix(data.features, data.feature_names), data.labels)
    with pytest.raises(ConfigurationError, match="no feature_names"):
        XGBoostModel(library().train({"objective": "binary:logistic"}, rows, num_boost_round=1))
    named = library().DMatrix(
        feature_matrix(data.features, data.feature_names), data.labels, feature_names=["a", "b"]
    )
    booster = library().train({"objective": "multi:softprob", "num_class": 2}, named, num_boost_round=1)
    with pytest.raises(ConfigurationError, match=r"pass data\.classes"):
        XGBoostModel(booster)
