"""The types that a scikit-learn model's file may hold, and what happens when it holds something else."""

import io
import json
import zipfile
from pathlib import Path

import numpy as np
import pytest
import skops.io
from samples import problems
from sklearn.ensemble import HistGradientBoostingRegressor, RandomForestRegressor
from sklearn.linear_model import LogisticRegression, RidgeClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from ml_platform.errors import ConfigurationError, UnreadableFileError
from ml_platform.models.frameworks.sklearn import SklearnModel, frame

NAMES = ("size", "price")


class Evil:
    """Leaves a mark when it is made."""

    mark: Path

    def __setstate__(self, state):
        Path(state["mark"]).write_text("made")


def rows(kind="regression"):
    data = problems.training(kind)
    return np.nan_to_num(frame(data.features, NAMES).to_numpy()), data.labels


def saved(folder, estimator=None):
    model = SklearnModel(estimator or LogisticRegression().fit(*rows("binary")), NAMES)
    model.save(folder)
    return folder / "model.skops"


def rewrite(path, change):
    """Change the schema of a skops file."""
    with zipfile.ZipFile(path) as archive:
        content = {name: archive.read(name) for name in archive.namelist()}
    schema = json.loads(content["schema.json"])
    change(schema)
    content["schema.json"] = json.dumps(schema).encode()
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in content.items():
            archive.writestr(name, data)


@pytest.mark.parametrize(
    ("node", "named"),
    [
        ("ObjectNode", "subprocess.Popen"),
        ("FunctionNode", "os.system"),
        ("JsonNode", "os.system"),
        ("MethodNode", "builtins.dict"),
        ("TypeNode", "sklearn.pipeline.Pipeline"),
        ("FunctionNode", "numpy.abs"),
    ],
)
def test_a_file_that_names_what_is_not_allowed_is_refused_by_that_name(tmp_path, node, named):
    path = saved(tmp_path)
    module, _, name = named.rpartition(".")
    node = {"__loader__": node, "__module__": module, "__class__": name, "content": "1"}
    rewrite(path, lambda schema: schema["content"]["content"].update({"extra": node}))
    with pytest.raises(
        UnreadableFileError, match=f"holds {named}, which may not be loaded; nothing of it was"
    ):
        SklearnModel.load(tmp_path)


def test_a_malicious_file_runs_nothing(tmp_path):
    path = saved(tmp_path)
    evil = Evil()
    evil.__dict__["mark"] = str(tmp_path / "mark")
    path.write_bytes(skops.io.dumps(make_pipeline(evil)))
    with pytest.raises(UnreadableFileError, match=r"test_sklearn_files\.Evil, which may not be loaded"):
        SklearnModel.load(tmp_path)
    assert not (tmp_path / "mark").exists()


def test_the_file_cannot_bring_a_list_of_what_is_allowed(tmp_path):
    path = saved(tmp_path)
    described = json.loads((tmp_path / "model.json").read_text())
    (tmp_path / "model.json").write_text(json.dumps({**described, "trusted": ["os.system"]}))
    with pytest.raises(UnreadableFileError, match="does not describe"):
        SklearnModel.load(tmp_path)
    (tmp_path / "model.json").write_text(json.dumps(described))
    rewrite(path, lambda schema: schema.update({"trusted": ["os.system"]}))
    assert SklearnModel.load(tmp_path).task == "binary"


@pytest.mark.parametrize(
    ("estimator", "named"),
    [
        (make_pipeline(FunctionTransformer(np.log1p), LogisticRegression()), "FunctionTransformer"),
        (HistGradientBoostingRegressor(max_iter=2), "HistGradientBoostingRegressor"),
    ],
)
def test_an_estimator_that_is_not_allowed_is_refused_when_it_is_saved(tmp_path, estimator, named):
    x, y = rows("binary")
    with pytest.raises(ConfigurationError, match=f"{named}.*may not be stored"):
        SklearnModel(estimator.fit(np.abs(x), y), NAMES).save(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_forest_whose_trees_lead_nowhere_is_refused(tmp_path):
    forest = RandomForestRegressor(3, max_depth=3, random_state=0).fit(*rows())
    path = saved(tmp_path, forest)
    loaded = SklearnModel.load(tmp_path)
    features = problems.training("regression").features
    assert loaded.predict(features).equals(SklearnModel(forest, NAMES).predict(features))
    with zipfile.ZipFile(path) as archive:
        content = {name: archive.read(name) for name in archive.namelist()}
    for name, data in content.items():
        if name.endswith(".npy"):
            array = np.load(io.BytesIO(data))
            if array.dtype.names and "left_child" in array.dtype.names:
                array["left_child"][0] = 10**6
                made = io.BytesIO()
                np.save(made, array)
                content[name] = made.getvalue()
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in content.items():
            archive.writestr(name, data)
    with pytest.raises(UnreadableFileError, match="lead nowhere"):
        SklearnModel.load(tmp_path)


def test_a_classifier_without_probabilities_is_refused_with_the_remedy():
    with pytest.raises(
        ConfigurationError, match=r"RidgeClassifier gives no probabilities.*CalibratedClassifierCV"
    ):
        SklearnModel(RidgeClassifier().fit(*rows("binary")), NAMES)
