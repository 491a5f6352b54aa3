"""The Dagster UI as a person uses it: Chromium clicks through the real server."""

import json
import shutil
from collections.abc import Iterator
from datetime import date, timedelta

import pytest
from e2e.conftest import Finished
from support.browser import Browser, running_browser
from support.project import Project
from support.ui import UI, running_ui
from support.waiting import until

pytestmark = pytest.mark.browser

PREDICTIONS = "card_fraud/model/predictions"


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with running_browser(tmp_path_factory.mktemp("chromium")) as running:
        yield running


@pytest.fixture(scope="module")
def ui(browser: Browser, finished: Finished, tmp_path_factory: pytest.TempPathFactory) -> Iterator[UI]:
    """A copy, so that what is clicked here touches no other test; asked for after the browser, which may be missing."""
    folder = tmp_path_factory.mktemp("ui")
    shutil.copytree(finished.project.home, folder / "home")
    shutil.copytree(finished.landing, folder / "landing")
    with running_ui(Project(folder / "home", folder / "landing"), folder / "ui.log") as running:
        yield running


def test_the_whole_graph_is_drawn(ui: UI, browser: Browser) -> None:
    browser.open(f"{ui.url}/asset-groups")
    browser.shows("raw", "staging", "features", "card_fraud", "support_routing", "credit_limit")
    browser.press_alt("e")  # expand all groups
    browser.shows("payments", "stg_payments", "payment_features", "dataset", "champion", "prediction_events")


def test_an_asset_says_what_it_is(ui: UI, browser: Browser) -> None:
    browser.open(f"{ui.url}/assets/card_fraud/model")
    browser.shows("Owners", "fraud", "XGBoost", "tracked in MLflow", "Latest check results", "± folds")
    assert '"auc"' not in browser.text(), "figures are a table"
    browser.open(f"{ui.url}/assets/card_fraud/dataset")
    browser.shows("Kilometres from the customer's place to the terminal's")


def test_a_day_that_is_clicked_is_materialised(ui: UI, browser: Browser) -> None:
    day = max(ui.days_of(PREDICTIONS))
    browser.open(f"{ui.url}/assets/{PREDICTIONS}?view=partitions&partition={day}")
    browser.shows(day, "Materialized")
    browser.click("//button[contains(., 'Materialize')]")
    browser.click("//button[contains(., 'Launch 1 run')]")
    browser.shows("Launched run")

    def finished_run() -> str | None:
        runs = ui.runs(tags=[{"key": "dagster/partition", "value": day}])
        return next((r["status"] for r in runs if r["status"] in {"SUCCESS", "FAILURE", "CANCELED"}), None)

    assert until(finished_run, f"a run of {day}") == "SUCCESS", ui.log.read_text()[-3000:]


def test_the_plots_of_a_model_show(ui: UI, browser: Browser) -> None:
    browser.open(f"{ui.url}/assets/card_fraud/model")
    browser.click("//*[text()='plots']/ancestor::tr//*[text()='[Show Markdown]']")
    browser.find("//img[@alt='precision_recall']")
    widths = browser.image_widths("//img[starts-with(@src, 'data:image/png')]")
    assert len(widths) == 5
    assert min(widths) > 300


def test_a_model_links_to_where_its_runs_are_in_mlflow_now(ui: UI, browser: Browser) -> None:
    browser.open(f"{ui.url}/assets/card_fraud/model")
    link = browser.find(f"//a[starts-with(@href, '{ui.mlflow_url}/')][contains(@href, '/models/')]")
    browser.open(link.get_attribute("href") or "")
    browser.click("//a[contains(@href, '/models/card_fraud.model/versions/')]")
    browser.click("//a[contains(@href, '/runs/')][contains(@href, 'experiments')]")
    browser.click("//*[@role='tab'][normalize-space()='Overview']")
    browser.shows("average_precision", "learning_rate")


def test_predictions_lack_no_day_and_all_are_backfilled_by_one_run(ui: UI, browser: Browser) -> None:
    days, everything = ui.days_of(PREDICTIONS), ui.days_of("raw/payments")
    assert days == everything[-len(days) :], "the model was trained on the days before"
    before = ui.made_at(PREDICTIONS, days[0])
    browser.open(f"{ui.url}/assets/{PREDICTIONS}?view=partitions")
    browser.shows("Missing (0)")
    browser.click("//button[contains(., 'Materialize')]")
    browser.click("//*[contains(@class, 'dialog')]//button[.//*[text()='All'] or text()='All']")
    browser.shows("Backfills all partitions in a single run.")
    browser.click("//button[contains(., 'Launch backfill')]")
    until(
        lambda: min(ui.made_at(PREDICTIONS, day) for day in (days[0], days[-1])) > before,
        f"{len(days)} days of predictions",
    )
    backfills = [run for run in ui.runs() if "dagster/backfill" in run["tags"]]
    assert len(backfills) == 1


def test_with_the_sensors_on_a_new_day_flows_through(ui: UI) -> None:
    ui.start_sensors("landing", "automation", "run_failures", "check_failures", "card_fraud_retraining")
    ui.project("simulate", "--days", "1")
    day = max(path.name for path in ui.landing.joinpath("payments").iterdir())
    until(lambda: day in ui.days_of("card_fraud/model/prediction_events"), f"events of {day}", timeout=900)
    until(lambda: _asset_made_since(ui, "online/customer_daily", day), f"online rows of {day}", timeout=300)
    assert ui.tick_errors() == []


def test_a_broken_file_fails_one_run_and_alerts_its_owner_once(ui: UI) -> None:
    alerts = ui.project.home / "alerts.jsonl"
    assert not alerts.exists(), alerts.read_text()
    payments = ui.landing / "payments"
    day = date.fromisoformat(max(path.name for path in payments.iterdir())) + timedelta(days=1)
    (payments / f"{day}").mkdir()
    (payments / f"{day}" / "broken.parquet").write_bytes(b"PAR1 and nothing else")
    until(alerts.exists, "an alert")
    ui.next_ticks("run_failures", "check_failures")
    failed = ui.runs(statuses=["FAILURE"])
    (alert,) = map(json.loads, alerts.read_text().splitlines())
    assert (alert["asset"], alert["owner"]) == ("raw/payments", "team:payments")
    assert alert["link"].endswith(f"/runs/{failed[0]['runId']}")
    assert "broken.parquet" in alert["detail"]
    assert len(failed) == 1
    assert ui.tick_errors() == []


def _asset_made_since(ui: UI, asset: str, day: str) -> bool:
    """Tell whether an asset without days was made after its upstream day was."""
    return ui.made_at(asset) > ui.made_at("features/customer_daily", day)
