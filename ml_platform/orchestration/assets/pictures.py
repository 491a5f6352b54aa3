"""Plots within Dagster's own pages."""

import base64
from collections.abc import Mapping

import dagster as dg

__all__ = ["pictures"]


def pictures(plots: Mapping[str, bytes]) -> dg.MarkdownMetadataValue:
    """PNGs as asset metadata, opened with one click: Markdown with the images in it, so no file server is needed.

    Args:
        plots: name to PNG.
    """
    shown = [
        f"![{name}](data:image/png;base64,{base64.b64encode(png).decode()})" for name, png in plots.items()
    ]
    return dg.MetadataValue.md("\n\n".join(shown))
