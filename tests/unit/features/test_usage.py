"""Views of several use cases: one of each name, and who reads what of it."""

from pathlib import Path

import pytest
from samples.views import reading
from support.online import bench

from ml_platform.errors import ConfigurationError
from ml_platform.features.online.sqlite.store import SQLiteOnlineStore
from ml_platform.features.views.usage import consumers, synced_views
from ml_platform.use_case import FeatureView


@pytest.fixture
def view(tmp_path: Path) -> FeatureView:
    return bench(tmp_path, SQLiteOnlineStore(tmp_path / "online.db")).view


def test_a_view_of_several_use_cases_is_one_view(view: FeatureView) -> None:
    churn, fraud = reading("churn", view, "n"), reading("fraud", view.model_copy(), "mean", "n")
    other = reading("other", view, "mean", syncs=False)
    assert synced_views([churn, fraud, other]) == [(view, [churn, fraud])]
    assert consumers(view, [churn, fraud, other, reading("none", view)]) == {
        "churn": ["n"],
        "fraud": ["mean", "n"],
        "other": ["mean"],
    }


@pytest.mark.parametrize("syncs", [True, False])
def test_one_name_for_two_declarations_is_refused(view: FeatureView, syncs: bool) -> None:
    other = view.model_copy(update={"features": ("n",), "owner": "team:other"})
    expected = r"view customers is declared twice, with another features, owner \(in churn and fraud\)"
    with pytest.raises(ConfigurationError, match=expected):
        synced_views([reading("churn", view), reading("fraud", other, "n", syncs=syncs)])
