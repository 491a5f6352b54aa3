"""Fixtures that integration tests share."""

from collections.abc import Callable
from typing import Any

import pytest
from support.googlesql import runner


@pytest.fixture(scope="session")
def googlesql() -> Callable[[str], list[tuple[Any, ...]]]:
    """Runs a query by GoogleSQL; half a minute to start, so once a session."""
    return runner()
