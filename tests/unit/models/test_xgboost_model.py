import subprocess
import sys
from decimal import Decimal

import numpy as np
import pyarrow as pa
import pytest
from samples import labelled

from ml_platform.errors import ConfigurationError, NotFoundError, SchemaMismatchError, UnreadableFileError
from ml_platform.models.frameworks.base import feature_matrix, framework
from ml_platform.models.frameworks.xgboost import XGBoostModel
from ml_platform.models.training.data import TrainingData
from ml_platform.models.training.versions import files_digest


@pytest.fixture(scope="module")
def data():
    table = labelled.parcels()
    return TrainingData(table.select(["weight", "distance"]), table.column("lost").to_numpy().astype(np.int8))


@pytest.fixture(scope="module")
def model(data):
    return labelled.train(data, {"rounds": 5, "max_depth": 3}, seed=1)


def test_a_loaded_model_predicts_what_the_saved_one_did(model, data, tmp_path):
    model.save(tmp_path / "m")
    loaded = framework("xgboost").model.load(tmp_path / "m")
    scores = model.predict(data.features)
    assert np.array_equal(loaded.predict(data.features), scores)
    assert (scores.dtype, scores.shape) == (np.float64, (data.features.num_rows,))
    assert loaded.feature_names == ("weight", "distance")
    loaded.save(tmp_path / "again")
    assert files_digest(tmp_path / "again") == files_digest(tmp_path / "m")


@pytest.mark.parametrize("threads", [1, 2])
def test_training_again_gives_the_same_bytes_with_any_number_of_threads(model, data, tmp_path, threads):
    labelled.train(data, {"rounds": 5, "max_depth": 3, "nthread": threads}, seed=1).save(tmp_path / "again")
    model.save(tmp_path / "m")
    assert files_digest(tmp_path / "again") == files_digest(tmp_path / "m")


def test_columns_are_found_by_name_and_others_ignored(model, data):
    mixed = data.features.select(["distance", "weight"]).append_column("x", pa.nulls(data.features.num_rows))
    assert np.array_equal(model.predict(mixed), model.predict(data.features))


def test_nulls_and_nan_are_missing_values(model):
    with_null = pa.table({"weight": [1.0], "distance": pa.array([None], pa.float64())})
    with_nan = pa.table({"weight": [1.0], "distance": [float("nan")]})
    untyped = pa.table({"weight": [1.0], "distance": pa.nulls(1)})
    assert model.predict(with_null) == model.predict(with_nan) == model.predict(untyped)


def test_a_missing_or_textual_feature_is_refused_by_name(model):
    with pytest.raises(SchemaMismatchError, match=r"needs the features \['distance'\]"):
        model.predict(pa.table({"weight": [1.0]}))
    with pytest.raises(SchemaMismatchError, match="'distance' is string"):
        model.predict(pa.table({"weight": [1.0], "distance": ["far"]}))


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


def test_importance_is_a_share_of_each_feature(model):
    shares = model.importance()
    assert set(shares) == {"weight", "distance"}
    assert sum(shares.values()) == pytest.approx(1)
    assert shares["weight"] > shares["distance"]


def test_what_is_not_a_model_is_refused(model, tmp_path):
    with pytest.raises(NotFoundError, match="no XGBoost model"):
        XGBoostModel.load(tmp_path)
    model.save(tmp_path)
    content = (tmp_path / "model.ubj").read_bytes()
    for broken in (b"", b"not a model", content[: len(content) // 2]):
        (tmp_path / "model.ubj").write_bytes(broken)
        with pytest.raises(UnreadableFileError, match="is not an XGBoost model"):
            XGBoostModel.load(tmp_path)


def test_an_unknown_framework_is_refused_with_those_that_exist():
    with pytest.raises(ConfigurationError, match=r"'torchx'.*xgboost"):
        framework("torchx")


def test_loading_a_model_imports_neither_dagster_nor_mlflow(model, tmp_path):
    model.save(tmp_path)
    code = (
        "import sys, pathlib; from ml_platform.models.frameworks.base import framework; "
        "framework('xgboost').model.load(pathlib.Path(sys.argv[1])); "
        "print([m for m in ('dagster', 'mlflow', 'sklearn.linear_model', 'matplotlib') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"
