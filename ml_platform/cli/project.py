"""Finds the project that the command line acts on: the one whose ``definitions`` module Python finds."""

import importlib
import logging
import os
import sys
import warnings
from pathlib import Path

import dagster as dg

from ml_platform.errors import ConfigurationError
from ml_platform.orchestration.platform import Platform

__all__ = ["load_platform"]


def load_platform() -> Platform:
    """The platform of the project in the current folder.

    Raises:
        ConfigurationError: there is no ``definitions`` module with a function ``platform``.
    """
    for about_our_code in (dg.BetaWarning, dg.PreviewWarning):
        warnings.simplefilter("ignore", about_our_code)
    logging.getLogger("alembic").setLevel(logging.WARNING)
    if str(Path.cwd()) not in sys.path:
        sys.path.insert(0, os.getcwd())  # noqa: PTH109 (sys.path takes text)
    try:
        composer = importlib.import_module("definitions")
    except ModuleNotFoundError as error:
        if error.name != "definitions":
            raise
        raise ConfigurationError(
            f"{Path.cwd()} is not a project: it has no definitions.py; change into the project's folder"
        ) from error
    platform: Platform = composer.platform()
    return platform
