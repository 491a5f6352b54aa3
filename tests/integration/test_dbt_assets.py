"""The dbt models as Dagster assets, built by the real dbt."""

from collections.abc import Iterator

import dagster as dg
import pytest
from dagster._core.storage.tags import ASSET_PARTITION_RANGE_END_TAG, ASSET_PARTITION_RANGE_START_TAG
from dagster_dbt import DbtCliResource
from integration.test_dbt_project import day, load

from ml_platform.orchestration.dbt.resource import QuickDbtCliResource
from ml_platform.settings import Settings
from resources import resources_for

DAYS = [day(n) for n in range(3)]
RANGE = {ASSET_PARTITION_RANGE_START_TAG: DAYS[0], ASSET_PARTITION_RANGE_END_TAG: DAYS[-1]}


@pytest.fixture
def project(settings: Settings) -> dg.Definitions:
    from assets.dbt.definitions import defs

    settings.root.mkdir(parents=True)
    load(settings.warehouse_path, payments=300, days=3)
    warehouse = resources_for(settings)["warehouse"]
    return dg.Definitions.merge(defs(), dg.Definitions(resources={"warehouse": warehouse}))


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as ephemeral:
        ephemeral.add_dynamic_partitions("payments", DAYS)
        yield ephemeral


def build(
    project: dg.Definitions, instance: dg.DagsterInstance, folder: str, **tags: str
) -> dg.ExecuteInProcessResult:
    """Build the models of one folder that are as partitioned as the tags are."""
    graph = project.resolve_asset_graph()
    daily = dg.DynamicPartitionsDefinition(name="payments") if tags else None
    keys = [
        key
        for key in graph.materializable_asset_keys
        if key.path[0] == folder and graph.get(key).partitions_def == daily
    ]
    assert keys
    job = project.resolve_implicit_global_asset_job_def()
    return job.execute_in_process(instance=instance, tags=tags, asset_selection=keys, raise_on_error=False)


def test_a_range_of_days_is_one_invocation_with_a_version_for_each_day(
    project: dg.Definitions, instance: dg.DagsterInstance
) -> None:
    staged = build(project, instance, "staging")
    assert staged.success
    result = build(project, instance, "features", **RANGE)
    assert result.success
    assert [step.step_key for step in result.get_step_success_events()] == ["dbt_payments"]
    events = materialized(result)
    checks = [*staged.get_asset_check_evaluations(), *result.get_asset_check_evaluations()]
    assert all(check.passed for check in checks)
    made = {event.asset_key for event in [*events, *materialized(staged)]}
    expected = {key for key in project.resolve_asset_graph().asset_check_keys if key.asset_key in made}
    assert {check.asset_check_key for check in checks} == expected
    features = {
        e.partition: e for e in events if e.asset_key == dg.AssetKey(["features", "payment_features"])
    }
    assert sorted(features) == DAYS
    assert len({str(e.metadata["version"]) for e in features.values()}) == len(DAYS)
    assert {e.metadata["dagster/partition_row_count"].value for e in features.values()} == {100}


def materialized(result: dg.ExecuteInProcessResult) -> list[dg.AssetMaterialization]:
    return [e.step_materialization_data.materialization for e in result.get_asset_materialization_events()]


def test_a_dbt_that_cannot_begin_fails_the_run_although_the_last_one_succeeded(
    project: dg.Definitions, instance: dg.DagsterInstance, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert build(project, instance, "staging").success
    monkeypatch.setenv("DBT_TARGET", "nowhere")
    result = build(project, instance, "staging")
    assert not result.success
    assert not result.get_asset_materialization_events()


def test_dagster_dbt_still_has_what_is_left_out() -> None:
    for name in ("_cli_version", "_initialize_dbt_core_adapter"):
        assert hasattr(DbtCliResource, name)
        assert name in vars(QuickDbtCliResource)


def test_a_models_code_version_covers_its_macros() -> None:
    from ml_platform.orchestration.dbt.translator import _code_version

    model = {
        "package_name": "p",
        "resource_type": "model",
        "config": {"materialized": "table"},
        "raw_code": "select {{ a() }}",
        "depends_on": {"macros": ["a", "dbt.other"], "nodes": ["view"]},
    }
    view = model | {"config": {"materialized": "view"}, "depends_on": {"macros": [], "nodes": ["below"]}}
    below = view | {"depends_on": {"macros": ["a"], "nodes": []}}
    macros = {
        "a": {"package_name": "p", "macro_sql": "a", "depends_on": {"macros": ["b"]}},
        "b": {"package_name": "p", "macro_sql": "b", "depends_on": {"macros": ["a"]}},
    }
    manifest = {"macros": macros, "nodes": {"view": view, "below": below}, "sources": {}}
    before = [_code_version(manifest, one) for one in (model, view)]
    macros["b"]["macro_sql"] = "changed"
    after = [_code_version(manifest, one) for one in (model, view)]
    assert before[0] != after[0]
    assert before[1] != after[1], "a view shows what the view that it reads shows"
