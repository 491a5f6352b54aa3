"""The sensor that has landed days loaded."""

from pathlib import Path

import dagster as dg

from assets.card_fraud import use_case
from ml_platform.ingestion.landing import LandingFolder
from ml_platform.orchestration.assets.raw import raw_asset
from ml_platform.orchestration.platform import Platform
from ml_platform.settings import Settings
from ml_platform.warehouse.duckdb import DuckDBWarehouse
from sensors.landing import landing_sensor

DAY = "2031-01-01"


def test_a_day_with_a_broken_file_is_tried_once_and_again_when_its_files_change(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    sources = use_case.sources
    resources = {
        "warehouse": DuckDBWarehouse(settings.warehouse_path),
        "landing": LandingFolder(settings.landing_path),
    }
    definitions = dg.Definitions(assets=[raw_asset(source) for source in sources], resources=resources)
    sensor = landing_sensor(Platform(settings, [], sources, lambda: definitions))
    file = settings.landing_path / "payments" / DAY / "a.csv"
    file.parent.mkdir(parents=True)
    report = settings.landing_path / "fraud_reports" / "2018-04-01" / "a.csv"
    reported = "payment_id,reported_at\n"
    with dg.DagsterInstance.ephemeral() as instance:
        cursor, tried = None, []
        for content in (
            "broken",
            None,
            reported,
            None,
            "payment_id,occurred_at,customer_id,terminal_id,amount\n",
            None,
        ):
            if content == reported:
                report.parent.mkdir(parents=True)
                report.write_text(content)
            elif content:
                file.write_text(content)
            result = sensor(dg.build_sensor_context(instance, cursor))
            assert isinstance(result, dg.SensorResult)
            cursor = result.cursor
            for request in result.run_requests or ():
                done = definitions.resolve_implicit_global_asset_job_def().execute_in_process(
                    instance=instance,
                    asset_selection=request.asset_selection,
                    partition_key=request.partition_key,
                    raise_on_error=False,
                )
                (key,) = request.asset_selection or ()
                tried.append((key.to_user_string(), done.success))
    assert tried == [("raw/payments", False), ("raw/fraud_reports", True), ("raw/payments", True)]
