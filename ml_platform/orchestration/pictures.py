"""Plots within Dagster's own pages."""

import base64

import dagster as dg

__all__ = ["picture"]


def picture(png: bytes) -> dg.MarkdownMetadataValue:
    """A PNG as asset metadata: Markdown with the image in it, so that it shows without a file server."""
    return dg.MetadataValue.md(f"![plot](data:image/png;base64,{base64.b64encode(png).decode()})")
