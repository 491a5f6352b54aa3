"""The types that a stored scikit-learn model may hold: a list in our code, never one that a file brings.

Loading a model makes objects of the types that its file names, so each is compared with this list first, those that
skops trusts by itself included. Left out on purpose: whatever calls a function that it names (``FunctionTransformer``,
``SelectKBest``), and ``HistGradientBoosting…``, whose trees scikit-learn follows without looking at their bounds; use
LightGBM in its place. A forest's trees are checked in :func:`check_trees`.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np

__all__ = ["TRUSTED", "check_trees", "strangers"]

_ESTIMATORS = {
    "sklearn.calibration": ("CalibratedClassifierCV", "_CalibratedClassifier", "_SigmoidCalibration"),
    "sklearn.compose._column_transformer": ("ColumnTransformer", "_RemainderColsList"),
    "sklearn.decomposition._pca": ("PCA",),
    "sklearn.decomposition._truncated_svd": ("TruncatedSVD",),
    "sklearn.dummy": ("DummyClassifier", "DummyRegressor"),
    "sklearn.ensemble._forest": (
        "ExtraTreesClassifier",
        "ExtraTreesRegressor",
        "RandomForestClassifier",
        "RandomForestRegressor",
    ),
    "sklearn.feature_extraction._hash": ("FeatureHasher",),
    "sklearn.feature_extraction.text": (
        "CountVectorizer",
        "HashingVectorizer",
        "TfidfTransformer",
        "TfidfVectorizer",
    ),
    "sklearn.feature_selection._variance_threshold": ("VarianceThreshold",),
    "sklearn.impute._base": ("MissingIndicator", "SimpleImputer"),
    "sklearn.isotonic": ("IsotonicRegression",),
    "sklearn.linear_model._base": ("LinearRegression",),
    "sklearn.linear_model._bayes": ("BayesianRidge",),
    "sklearn.linear_model._coordinate_descent": ("ElasticNet", "Lasso"),
    "sklearn.linear_model._glm.glm": ("GammaRegressor", "PoissonRegressor", "TweedieRegressor"),
    "sklearn.linear_model._huber": ("HuberRegressor",),
    "sklearn.linear_model._logistic": ("LogisticRegression",),
    "sklearn.linear_model._quantile": ("QuantileRegressor",),
    "sklearn.linear_model._ridge": ("Ridge",),
    "sklearn.linear_model._stochastic_gradient": ("SGDClassifier", "SGDRegressor"),
    "sklearn.multiclass": ("OneVsRestClassifier", "_ConstantPredictor"),
    "sklearn.naive_bayes": ("BernoulliNB", "ComplementNB", "GaussianNB", "MultinomialNB"),
    "sklearn.neural_network._multilayer_perceptron": ("MLPClassifier", "MLPRegressor"),
    "sklearn.pipeline": ("FeatureUnion", "Pipeline"),
    "sklearn.preprocessing._data": (
        "MaxAbsScaler",
        "MinMaxScaler",
        "Normalizer",
        "PowerTransformer",
        "QuantileTransformer",
        "RobustScaler",
        "StandardScaler",
    ),
    "sklearn.preprocessing._discretization": ("KBinsDiscretizer",),
    "sklearn.preprocessing._encoders": ("OneHotEncoder", "OrdinalEncoder"),
    "sklearn.preprocessing._label": ("LabelBinarizer", "LabelEncoder"),
    "sklearn.preprocessing._polynomial": ("PolynomialFeatures",),
    "sklearn.preprocessing._target_encoder": ("TargetEncoder",),
    "sklearn.random_projection": ("GaussianRandomProjection", "SparseRandomProjection"),
    "sklearn.svm._classes": ("LinearSVC", "LinearSVR"),
    "sklearn.tree._classes": (
        "DecisionTreeClassifier",
        "DecisionTreeRegressor",
        "ExtraTreeClassifier",
        "ExtraTreeRegressor",
    ),
    # What fitted estimators hold besides.
    "sklearn._loss.link": (
        "HalfLogitLink",
        "IdentityLink",
        "Interval",
        "LogLink",
        "LogitLink",
        "MultinomialLogit",
    ),
    "sklearn._loss.loss": (
        "HalfBinomialLoss",
        "HalfGammaLoss",
        "HalfPoissonLoss",
        "HalfSquaredError",
        "HalfTweedieLoss",
        "HalfTweedieLossIdentity",
    ),
    "sklearn.neural_network._stochastic_optimizers": ("AdamOptimizer", "SGDOptimizer"),
}
_NUMBERS = {
    f"numpy.{name}"
    for name in (
        *(f"{kind}{bits}" for kind in ("int", "uint") for bits in (8, 16, 32, 64)),
        *(f"float{bits}" for bits in (16, 32, 64)),
        "bool",
        "bool_",
        "str_",
    )
}
_PLAIN = {"builtins.str", "builtins.int", "builtins.float", "builtins.bool", "builtins.NoneType"}

_TREE = "sklearn.tree._tree.Tree"
_LOSSES = {
    f"{module}.{name}"
    for module, names in {
        "sklearn._loss._loss": (
            "CyAbsoluteError",
            "CyHalfBinomialLoss",
            "CyHalfGammaLoss",
            "CyHalfPoissonLoss",
            "CyHalfSquaredError",
            "CyHalfTweedieLoss",
            "CyHalfTweedieLossIdentity",
            "CyHuberLoss",
        ),
        "sklearn.linear_model._sgd_fast": (
            "EpsilonInsensitive",
            "Hinge",
            "ModifiedHuber",
            "SquaredEpsilonInsensitive",
            "SquaredHinge",
        ),
    }.items()
    for name in names
}

_ALLOWED: dict[str, set[str]] = {
    "ObjectNode": {f"{module}.{name}" for module, names in _ESTIMATORS.items() for name in names},
    "TreeNode": {_TREE},
    "LossNode": _LOSSES,
    "SGDNode": _LOSSES,
    "JsonNode": _PLAIN,
    "TypeNode": _PLAIN | _NUMBERS,
    "DictNode": {"builtins.dict", "sklearn.utils._bunch.Bunch"},
    "DefaultDictNode": {"collections.defaultdict"},
    "ListNode": {"builtins.list"},
    "TupleNode": {"builtins.tuple"},
    "SetNode": {"builtins.set"},
    "SliceNode": {"builtins.slice"},
    "NdArrayNode": {"numpy.ndarray", *_NUMBERS},
    "DTypeNode": {"numpy.dtype"},
    "SparseMatrixNode": {
        f"scipy.sparse.{module}.{name}"
        for module, names in {
            "_csr": ("csr_matrix", "csr_array"),
            "_csc": ("csc_matrix", "csc_array"),
            "_dia": ("dia_matrix", "dia_array"),
        }.items()
        for name in names
    },
    "RandomStateNode": {"numpy.random.mtrand.RandomState"},
    "RandomGeneratorNode": {"numpy.random._generator.Generator"},
}
"""Kind of node of a skops file to the types that it may make."""

TRUSTED = frozenset(set().union(*_ALLOWED.values()))
"""Types that skops is told to trust; the file was compared with the list of each kind of node before."""


def strangers(schema: object) -> list[str]:
    """Types that a skops file's schema names and that are not on the list, sorted."""
    return sorted(
        {
            f"{node['__module__']}.{node['__class__']}"
            for node in _nodes(schema)
            if node["__loader__"] != "CachedNode"
            and f"{node.get('__module__')}.{node.get('__class__')}"
            not in _ALLOWED.get(node["__loader__"], ())
        }
    )


def check_trees(model: object) -> bool:
    """Tell whether every tree within an estimator leads to nodes and features that exist."""
    return all(_tree_is_sound(tree) for tree in _trees(model, set()))


def _nodes(value: object) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        if "__loader__" in value:
            yield value
        for child in value.values():
            yield from _nodes(child)
    elif isinstance(value, list):
        for child in value:
            yield from _nodes(child)


def _trees(value: object, seen: set[int]) -> Iterator[Any]:
    if id(value) in seen or isinstance(value, str | bytes | int | float | np.generic):
        return
    seen.add(id(value))
    if type(value).__name__ == "Tree" and type(value).__module__ == "sklearn.tree._tree":
        yield value
    elif isinstance(value, dict):
        for child in value.values():
            yield from _trees(child, seen)
    elif isinstance(value, list | tuple) or (isinstance(value, np.ndarray) and value.dtype == object):
        for child in value:
            yield from _trees(child, seen)
    elif hasattr(value, "__dict__"):
        yield from _trees(vars(value), seen)


def _tree_is_sound(tree: Any) -> bool:  # noqa: ANN401 (a Cython class)
    left, right, inner = tree.children_left, tree.children_right, tree.children_left != -1
    places = np.arange(tree.node_count)
    # Children follow their parent, so that walking down ends.
    return bool(
        ((left == -1) == (right == -1)).all()
        and (left[inner] > places[inner]).all()
        and (right[inner] > places[inner]).all()
        and (left < tree.node_count).all()
        and (right < tree.node_count).all()
        and (tree.feature[inner] >= 0).all()
        and (tree.feature < tree.n_features).all()
        and len(tree.value) == tree.node_count
    )
