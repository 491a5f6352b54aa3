"""The contract of a fitted model, over every framework and the tasks that it can do."""

import os
import subprocess
import sys

import pyarrow as pa
import pytest
from samples import problems

from ml_platform.errors import ConfigurationError, NotFoundError, SchemaMismatchError, UnreadableFileError
from ml_platform.models.frameworks.base import framework, framework_names
from ml_platform.models.tasks.base import task
from ml_platform.models.training.versions import files_digest

PICKLES = tuple(bytes((0x80, protocol)) for protocol in range(2, 6))


@pytest.fixture(scope="module", params=problems.FITS, ids=lambda fit: f"{fit.framework}-{fit.task}")
def fit(request):
    return request.param


@pytest.fixture(scope="module")
def data(fit):
    return problems.training(fit.task)


@pytest.fixture(scope="module")
def model(fit, data):
    return fit.make(data, 1)


@pytest.fixture(scope="module")
def folder(model, tmp_path_factory):
    folder = tmp_path_factory.mktemp("model") / "new" / "folder"
    model.save(folder)
    return folder


def load(fit, folder):
    return framework(fit.framework).load(folder)


def test_every_framework_is_tested():
    assert {fit.framework for fit in problems.FITS} == set(framework_names())


def test_predictions_have_the_tasks_columns_one_row_a_row(fit, data, model):
    assert model.task == fit.task
    found = model.predict(data.features)
    kind = task(fit.task)
    assert found.schema.equals(kind.prediction_schema(problems.label(fit.task)))
    assert found.num_rows == data.features.num_rows
    assert kind.problems(found) == []
    assert not kind.is_constant(found)
    assert model.predict(data.features.slice(0, 0)).schema.equals(found.schema)
    assert model.predict(data.features.slice(0, 0)).num_rows == 0


def test_it_learnt_something(fit, data, model):
    if fit.task == "embedding":
        return  # nothing is known to be true of a vector
    kind, test = task(fit.task), problems.judged(fit.task)
    own = kind.metrics(model.predict(test.features), test.labels, test.classes)[kind.primary]
    for baseline in list(kind.baselines(data).values())[:1]:
        theirs = kind.metrics(baseline.predict(test.features), test.labels, test.classes)[kind.primary]
        assert kind.directions(test.classes)[kind.primary].beats(own, theirs)


def test_a_row_is_predicted_the_same_alone(data, model):
    together = model.predict(data.features.slice(0, 5))
    for n in range(5):
        alone = model.predict(data.features.slice(n, 1)).to_pylist()[0]
        for name, value in together.to_pylist()[n].items():
            assert alone[name] == pytest.approx(value, abs=1e-9) if not isinstance(value, str) else value


def test_a_loaded_model_predicts_what_the_saved_one_did(fit, data, model, folder):
    loaded = load(fit, folder)
    assert loaded.predict(data.features).equals(model.predict(data.features))
    assert loaded.feature_names == model.feature_names
    assert loaded.task == model.task
    assert loaded.importance() == model.importance()


def test_saving_again_gives_the_same_bytes_of_the_loaded_model_too(fit, model, folder, tmp_path):
    model.save(tmp_path / "again")
    load(fit, folder).save(tmp_path / "loaded")
    assert files_digest(tmp_path / "again") == files_digest(folder)
    assert files_digest(tmp_path / "loaded") == files_digest(folder)


def test_training_again_gives_the_same_bytes(fit, data, folder, tmp_path):
    fit.make(data, 1).save(tmp_path / "again")
    assert files_digest(tmp_path / "again") == files_digest(folder)


def test_training_in_another_process_gives_the_same_bytes(fit, folder, tmp_path):
    code = (
        "import sys, pathlib; from samples import problems\n"
        "fit = next(f for f in problems.FITS if (f.framework, f.task) == (sys.argv[1], sys.argv[2]))\n"
        "fit.make(problems.training(fit.task), 1).save(pathlib.Path(sys.argv[3]))"
    )
    paths = [path for path in sys.path if path]
    subprocess.run(
        [sys.executable, "-c", code, fit.framework, fit.task, str(tmp_path / "other")],
        check=True,
        # With the rest of the environment: linear algebra gives other last bits with the kernels of another processor.
        env=os.environ | {"PYTHONPATH": ":".join(paths), "PYTHONHASHSEED": "77", "HOME": str(tmp_path)},
    )
    assert files_digest(tmp_path / "other") == files_digest(folder)


def test_nothing_is_pickled(folder):
    for path in folder.rglob("*"):
        content = path.read_bytes()
        assert path.suffix not in {".pkl", ".pickle", ".joblib"}
        assert not content.startswith(PICKLES)
        assert b"cnumpy" not in content


def test_columns_are_found_by_name_and_others_ignored(data, model):
    mixed = data.features.select(data.features.column_names[::-1])
    mixed = mixed.append_column("surplus", pa.nulls(mixed.num_rows))
    assert model.predict(mixed).equals(model.predict(data.features))


def test_a_missing_feature_is_refused_by_name(fit, data, model):
    assert set(fit.reads) == set(model.feature_names)
    with pytest.raises(SchemaMismatchError, match=r"needs the features \['price'\]"):
        model.predict(data.features.drop_columns(["price"]))


def test_a_feature_of_a_type_that_cannot_be_read_is_refused_with_the_remedy(data, model):
    lists = pa.array([[1.0]] * data.features.num_rows)
    place = data.features.column_names.index("size")
    with pytest.raises(
        SchemaMismatchError, match=r"'size' is list.*(in the feature SQL|correct the feature)"
    ):
        model.predict(data.features.set_column(place, "size", lists))


def test_nulls_nans_and_numbers_of_other_types_are_read(data, model):
    row = data.features.slice(1, 1)
    place = row.column_names.index("price")
    spellings = [pa.array([None], pa.float64()), pa.array([float("nan")]), pa.nulls(1)]
    found = [model.predict(row.set_column(place, "price", spelling)) for spelling in spellings]
    assert found[0].equals(found[1])
    assert found[0].equals(found[2])
    whole = [pa.array([3], kind) for kind in (pa.int32(), pa.float32(), pa.float64())]
    same = [model.predict(row.set_column(place, "price", number)) for number in whole]
    assert same[0].equals(same[1])
    assert same[0].equals(same[2])


def test_categories_and_texts_that_training_did_not_have_are_read(fit, data, model):
    if "region" not in fit.reads:
        return  # it reads numbers only
    row = data.features.slice(1, 3)
    place = row.column_names.index("region")
    encoded = row.set_column(place, "region", row.column("region").combine_chunks().dictionary_encode())
    assert model.predict(encoded).equals(model.predict(row))
    for strange in (["new", None, ""], [None, None, None]):
        found = model.predict(row.set_column(place, "region", pa.array(strange, pa.string())))
        assert task(fit.task).problems(found) == []


def test_importance_is_a_share_of_each_feature_or_unknown(model):
    shares = model.importance()
    if shares is not None:
        assert set(shares) == set(model.feature_names)
        assert sum(shares.values()) == pytest.approx(1)
        assert shares["size"] > shares["urgent"]


def test_what_is_not_a_model_is_refused(fit, model, tmp_path):
    kind = framework(fit.framework)
    with pytest.raises(NotFoundError, match="name the folder"):
        kind.load(tmp_path)
    model.save(tmp_path)
    for path in sorted(tmp_path.iterdir()):
        content = path.read_bytes()
        for broken in (b"", b"not a model", content[: len(content) // 2]):
            path.write_bytes(broken)
            with pytest.raises(UnreadableFileError, match="train again"):
                kind.load(tmp_path)
        path.write_bytes(content)
    assert kind.load(tmp_path).feature_names == model.feature_names


def test_loading_a_model_imports_neither_dagster_nor_mlflow(fit, folder):
    code = (
        "import sys, pathlib; from ml_platform.models.frameworks.base import framework; "
        "framework(sys.argv[2]).load(pathlib.Path(sys.argv[1])); "
        "print([m for m in ('dagster', 'mlflow', 'matplotlib', 'duckdb') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(folder), fit.framework], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


def test_an_unknown_framework_is_refused_with_those_that_exist():
    with pytest.raises(
        ConfigurationError, match=r"'torchx'.*lightgbm.*sklearn.*xgboost.*ml_platform.frameworks"
    ):
        framework("torchx")


def test_naming_a_framework_imports_none():
    code = (
        "import sys; import ml_platform.models.frameworks.base as b; b.check_framework('lightgbm'); "
        "print([m for m in ('lightgbm', 'xgboost', 'sklearn', 'skops', 'pandas') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
