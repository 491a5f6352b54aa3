"""The raw assets of the graph."""

import dagster as dg

from assets.raw.sources import SOURCES
from ml_platform.orchestration.raw import raw_asset


@dg.definitions
def defs() -> dg.Definitions:
    """One daily asset for each source of the landing folder."""
    return dg.Definitions(assets=[raw_asset(source) for source in SOURCES])
