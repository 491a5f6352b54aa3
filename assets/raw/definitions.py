"""The raw assets of the graph."""

import dagster as dg

from assets.raw.sources import PAYMENTS, SOURCES
from ml_platform.orchestration.assets.raw import raw_asset


@dg.definitions
def defs() -> dg.Definitions:
    """One daily asset for each source of the landing folder."""
    others = [source for source in SOURCES if source is not PAYMENTS]
    return dg.Definitions(assets=[raw_asset(PAYMENTS, SOURCES), *map(raw_asset, others)])
