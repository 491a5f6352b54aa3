"""The errors that last attempts to make assets ended with."""

from collections.abc import Iterator

import dagster as dg
import pytest

from ml_platform.errors import DataError
from ml_platform.orchestration.planning.attempts import failed_attempts

BROKEN: set[str] = set()


@dg.asset
def before() -> None:
    if "before" in BROKEN:
        raise DataError("nothing landed; bring files")


@dg.asset(deps=[before])
def after() -> None:
    if "after" in BROKEN:
        raise KeyError("missing")


KEYS = [dg.AssetKey("before"), dg.AssetKey("after")]
GRAPH = dg.Definitions([before, after]).resolve_asset_graph()


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as found:
        yield found
    BROKEN.clear()


def make(instance: dg.DagsterInstance) -> dict[dg.AssetKey, str]:
    dg.materialize([before, after], instance=instance, raise_on_error=False)
    return failed_attempts(instance, GRAPH, KEYS)


def test_the_error_of_the_last_attempt_is_told_until_it_goes_well(instance: dg.DagsterInstance) -> None:
    assert failed_attempts(instance, GRAPH, KEYS) == {}
    assert make(instance) == {}
    BROKEN.add("before")
    assert make(instance) == {KEYS[0]: "nothing landed; bring files"}, "what did not begin did not fail"
    BROKEN.clear()
    BROKEN.add("after")
    failed = make(instance)
    assert failed.keys() == {KEYS[1]}
    assert "missing" in failed[KEYS[1]]
    BROKEN.clear()
    assert make(instance) == {}
