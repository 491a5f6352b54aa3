from pathlib import Path

import pytest
from samples.things import THINGS, Place

from ml_platform.ingestion.source import RawSource


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


@pytest.fixture
def things() -> RawSource:
    return THINGS
