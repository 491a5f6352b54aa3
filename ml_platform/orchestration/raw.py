"""Raw assets: one daily asset for each source of the landing folder."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date
from functools import partial
from pathlib import Path

import dagster as dg

from ml_platform.ingestion.landing import fingerprint
from ml_platform.ingestion.load import load_days
from ml_platform.ingestion.source import RawSource
from ml_platform.orchestration.calendar import DAYS
from ml_platform.orchestration.recording import Recording
from ml_platform.warehouse.base import Warehouse

__all__ = ["fingerprints", "raw_asset"]
