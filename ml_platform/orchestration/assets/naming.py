"""Translation of declarations into asset keys, and what every asset of a use case shares."""

import hashlib
from typing import TYPE_CHECKING, TypedDict

import dagster as dg
from pydantic import BaseModel

from ml_platform.cadence import Cadence
from ml_platform.use_case import UseCase

__all__ = ["Materialized", "asset_key", "common", "declaration_version", "freshness_of"]

if TYPE_CHECKING:
    Materialized = dg.MaterializeResult[None]
else:  # Dagster knows its class, not the class with a parameter
    Materialized = dg.MaterializeResult


def freshness_of(cadence: Cadence) -> dg.FreshnessPolicy:
    """The policy of what is made anew each partition: late, and failed, after what the cadence says."""
    late, failed = cadence.freshness
    return dg.FreshnessPolicy.time_window(fail_window=failed, warn_window=late)


class Common(TypedDict):
    """The attributes that every asset of a use case shares."""

    group_name: str
    owners: list[str]
    tags: dict[str, str]
    kinds: set[str]


def asset_key(relation: str) -> dg.AssetKey:
    """The asset that a warehouse relation ``schema.table`` is."""
    return dg.AssetKey(relation.split("."))


def common(use_case: UseCase, *kinds: str) -> Common:
    """Group, owner, tags and kinds of an asset of a use case."""
    return {
        "group_name": use_case.name,
        "owners": [use_case.owner],
        "tags": {"use_case": use_case.name, **use_case.tags},
        "kinds": set(kinds),
    }


def declaration_version(declaration: BaseModel, *more: str, leave_out: set[str] | None = None) -> str:
    """A code version of a declaration: it changes when a field does.

    Args:
        declaration: whose fields.
        more: further texts that it depends on.
        leave_out: fields that do not change what is computed, or are functions.
    """
    text = declaration.model_dump_json(exclude=leave_out)
    return hashlib.sha256("\0".join([text, *more]).encode()).hexdigest()[:16]
