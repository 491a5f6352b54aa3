"""Messages that a person is told of a mistake in a declaration, and what a declaration says of its features."""

from datetime import timedelta

import pytest
from pydantic import ValidationError
from samples import labelled, problems, shop

from ml_platform.declaration import declaration_error, identifiers, readable_errors
from ml_platform.errors import ConfigurationError, NotFoundError
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
    UseCase,
    ViewFeatures,
)


def declared(**changes):
    """A use case's fields, as a person writes them."""
    case = {
        "name": "returns",
        "owner": "team:shop",
        "description": "Orders that come back.",
        "dataset": {
            "events": "shop.orders",
            "id": "order_id",
            "features": ["amount"],
            "label": {"relation": "shop.returns", "id": "order_id", "available_at": "at", "delay": "P7D"},
        },
        "models": [{"train": print}],
    }
    return {**case, **changes}


def told(fields):
    with pytest.raises(ConfigurationError) as error, readable_errors("use case returns"):
        UseCase.model_validate(fields)
    return str(error.value)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            {"models": [{"train": print, "split": {"test_days": 0}}]},
            "models.0.split.test_days is 0; allowed: greater than 0",
        ),
        ({"name": "Card-Fraud"}, "name is 'Card-Fraud'; allowed: lower-case letters, digits and _"),
        (
            {"models": [{"trian": print}]},
            "models.0.train is missing; it has no default; models.0.trian is not a field",
        ),
        ({"models": [{"train": "print"}]}, "models.0.train is 'print'; allowed: callable"),
        ({"models": [{"train": print, "task": "ranking"}]}, r"there is no task 'ranking'; choose one of"),
        (
            {"models": [{"train": print, "framework": "torchx"}]},
            r"there is no framework 'torchx'; choose one of",
        ),
        ({"models": [{"train": print, "task": "regression"}]}, "name its column in Dataset.label.value"),
        (
            {"models": [{"train": print, "gate": {"limits": {"profit": 1}}}]},
            "models.0 (model).gate.limits names the metric 'profit'; choose one of",
        ),
        (
            {"models": [{"train": print, "gate": {"segment_metric": "mae"}}]},
            "gate.segment_metric names the metric 'mae'",
        ),
        ({"models": [{"train": print}, {"train": print}]}, "models of use case returns repeat ['model']"),
        ({"retraining": {"metric": "mae"}}, "retraining.metric names the metric 'mae'; choose one of"),
        ({"dataset": None}, "has models and no dataset"),
        (
            {"batch_predictions": [{"relation": "p.x", "model": "other"}]},
            "names the model 'other'; returns has ['model']",
        ),
        (
            {"batch_predictions": [{"relation": "predictions"}]},
            "batch_predictions.0.relation is 'predictions'; allowed: `schema.table`",
        ),
    ],
)
def test_a_mistake_is_told_with_the_field_the_value_and_what_is_allowed(change, said):
    assert said in told(declared(**change))


def test_all_mistakes_are_told_at_once_and_long_values_are_cut():
    said = told(declared(owner=3, description=["x" * 500]))
    assert said.startswith("use case returns: owner is 3; allowed: a valid string; description is ['xxx")
    assert len(said) < 300


def test_an_error_of_the_whole_names_the_declaration():
    with pytest.raises(ValidationError) as error:
        Split(train_days=2, min_train_days=3)
    assert (
        str(declaration_error(error.value, "here")) == "here: Split: train_days 2 is below min_train_days 3"
    )


def case_of(model, **changes):
    label = problems.label(model.task)
    dataset = Dataset(events="a.b", id="id", keys=("owner",), features=("size",), label=label)
    fields = {"name": "x", "owner": "team:x", "description": "", "dataset": dataset, "models": (model,)}
    return UseCase.model_validate({**fields, **changes})


@pytest.mark.parametrize(
    ("model", "said"),
    [
        (
            Model(train=print, task="regression", gate=Gate(max_calibration_error=0.1)),
            "gives no probabilities",
        ),
        (
            Model(train=print, metrics=(Metric(name="auc", function=print),)),
            r"metrics \['auc'\] are the task's own",
        ),
        (Model(train=print, plots=(Plot(name="a", function=print),) * 2), r"plots repeat \['a'\]"),
        (
            Model(train=print, gate=Gate(segments=(Segment(name="red", column="colour", values=("red",)),))),
            "'colour'; choose one of",
        ),
        (
            Model(train=print, request_features=print, request_feature_names=("size",)),
            "features of the dataset already",
        ),
        (
            Model(train=print, task="multiclass", gate=Gate(limits={"recall_weather": 0.5})),
            "'recall_weather'; choose",
        ),
    ],
)
def test_what_does_not_fit_together_is_refused(model, said):
    with pytest.raises(ValidationError, match=said):
        case_of(model)


def test_what_fits_is_taken():
    gate = Gate(
        limits={"recall_card_lost": 0.5, "log_loss": 1.0, "own": 3},
        max_calibration_error=0.2,
        segments=(
            Segment(name="mine", column="owner", values=("me",)),
            Segment(name="big", column="size", low=3),
        ),
    )
    own = Metric(name="own", function=print, higher_is_better=False)
    case = case_of(Model(name="router", train=print, task="multiclass", gate=gate, metrics=(own,)))
    assert case.model("router").gate is gate
    with pytest.raises(NotFoundError, match=r"no model 'model'; it has \['router'\]"):
        case.model()


@pytest.mark.parametrize("metric", ["median_absolute_error", "own"])
def test_retraining_watches_only_what_can_be_counted(metric):
    model = Model(train=print, task="regression", metrics=(Metric(name="own", function=print),))
    case_of(model, retraining=Retraining(metric=metric))
    with pytest.raises(
        ValidationError, match="cannot be reckoned from counts in the warehouse; choose one of"
    ):
        case_of(model, retraining=Retraining(metric=metric, limit=3))


@pytest.mark.parametrize(
    ("label", "said"),
    [
        ({"classes": ("a", "b")}, "name the column that holds the value"),
        ({"value": "v", "classes": ("a",)}, "declare at least two"),
        ({"value": "v", "classes": ("a b", "a-b")}, "repeat the identifier 'a_b'"),
        ({"value": "v", "classes": ("a", "?")}, r"class '\?' has no letter or digit"),
        ({"value": "v", "classes": ("a", "b"), "range": (0, 1)}, "declare one of them"),
        ({"delay": timedelta(days=-1)}, "delay"),
        ({"share": (0.7, 0.1)}, "share is .*the lowest and then the highest"),
        ({"share": (0.1, 1.1)}, "both within 0 and 1"),
        ({"value": "v", "range": (3, 1)}, "range is .*the lowest and then the highest"),
    ],
)
def test_a_label_that_contradicts_itself_is_refused(label, said):
    fields = {"relation": "a.b", "id": "i", "available_at": "t", "delay": timedelta(1)}
    with pytest.raises(ValidationError, match=said):
        Label.model_validate({**fields, **label})


@pytest.mark.parametrize("bounds", [{}, {"low": 1, "values": ("a",)}])
def test_a_segment_is_a_range_or_some_values(bounds):
    with pytest.raises(ValidationError, match="needs `values`, or a range"):
        Segment(name="s", column="c", **bounds)


def test_classes_become_identifiers():
    assert identifiers(["Card lost", "loans", "Überweisung 2"]) == {
        "Card lost": "Card_lost",
        "loans": "loans",
        "Überweisung 2": "berweisung_2",
    }


def test_parameters_may_be_any_json():
    parameters = {"layers": [64, 32], "options": {"early": True, "stop": None}, "rate": 0.1, "name": "x"}
    assert Model(train=print, parameters=parameters).parameters == parameters


def test_a_use_case_may_have_features_or_predictions_only():
    common = {"name": "x", "owner": "team:x", "description": ""}
    view = FeatureView(name="v", relation="a.v", entity=("id",), features=("f",))
    assert UseCase(**common, feature_views=(view,)).joined_views == ()
    weekly = BatchPrediction(relation="p.x", model="other/model", cadence="weekly")
    assert UseCase(**common, batch_predictions=(weekly,)).models == ()
    with pytest.raises(ConfigurationError, match="declares no dataset"):
        _ = UseCase(**common).data


def test_features_are_told_by_kind_with_where_a_service_gets_them():
    view = FeatureView(
        name="buyer", relation="shop.buyer_daily", entity=("buyer_id",), features=("orders", "mean")
    )
    dataset = shop.use_case().data.model_copy(
        update={
            "features": (Feature(name="amount", kind="request"), "items"),
            "views": (ViewFeatures(view=view, features=("orders",)),),
        }
    )
    kinds = shop.use_case(dataset=dataset).features_by_kind()
    found = {kind: [(f.name, f.source, f.entity) for f in features] for kind, features in kinds.items()}
    assert found == {
        "request": [("amount", "request amount", ()), ("at_night", "samples.shop.rush", ())],
        "operational": [("items", "shop.orders items", ("buyer_id",))],
        "analytics": [("buyer__orders", "online/buyer orders", ("buyer_id",))],
    }
    assert dataset.feature_names == ("amount", "items", "buyer__orders")


def test_every_feature_of_a_model_has_a_kind():
    case = labelled.use_case()
    names = [f.name for features in case.features_by_kind().values() for f in features]
    assert sorted(names) == sorted((*case.data.feature_names, *case.model().request_feature_names))
