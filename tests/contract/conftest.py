"""Every backend of a port in turn."""

from pathlib import Path

import pytest
from support.warehouses import BACKENDS

from ml_platform.warehouse.base import Warehouse


@pytest.fixture(params=BACKENDS)
def warehouse(request: pytest.FixtureRequest, tmp_path: Path) -> Warehouse:
    return BACKENDS[request.param](tmp_path)
