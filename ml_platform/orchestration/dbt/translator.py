"""How a dbt model becomes an asset."""

import hashlib
import math
from collections.abc import Mapping
from typing import Any

import dagster as dg
from dagster_dbt import DagsterDbtTranslator, DbtProject

from ml_platform.orchestration.assets.naming import DAILY
from ml_platform.orchestration.planning.calendar import DAYS
from ml_platform.orchestration.planning.conditions import when_stale
from ml_platform.orchestration.planning.nodes import READS, Reads

__all__ = ["VIEW", "Translator"]

VIEW = "ml_platform/view"
"""Asset metadata: whether a model is a view, and holds no data of its own."""

Props = Mapping[str, Any]


class Translator(DagsterDbtTranslator):
    """Asset keys as the relations are named; group by schema; owners and windows from `meta`."""

    def get_asset_spec(self, manifest: Props, unique_id: str, project: DbtProject | None) -> dg.AssetSpec:
        """The spec, with how far back a day of the model reads each upstream."""
        spec = super().get_asset_spec(manifest, unique_id, project)
        props = self.get_resource_props(manifest, unique_id)
        if props["resource_type"] != "model":
            return spec
        view = props["config"]["materialized"] == "view"
        return spec.replace_attributes(
            freshness_policy=DAILY,
            code_version=_code_version(manifest, props),
            kinds=spec.kinds | {"view" if view else "table"},
        ).merge_attributes(metadata={READS: self._reads(manifest, props), VIEW: view})

    def get_asset_key(self, dbt_resource_props: Props) -> dg.AssetKey:
        """``schema/name``, as the relation is called."""
        return dg.AssetKey([dbt_resource_props["schema"], dbt_resource_props["name"]])

    def get_group_name(self, dbt_resource_props: Props) -> str:
        """The schema: raw, staging or features."""
        return str(dbt_resource_props["schema"])

    def get_owners(self, dbt_resource_props: Props) -> list[str]:
        """``meta.owner``."""
        owner = _meta(dbt_resource_props).get("owner")
        return [str(owner)] if owner else []

    def get_partitions_def(self, dbt_resource_props: Props) -> dg.PartitionsDefinition[str]:  # noqa: ARG002
        """Every model has days."""
        return DAYS

    def get_automation_condition(self, dbt_resource_props: Props) -> dg.AutomationCondition[dg.AssetKey]:  # noqa: ARG002
        """Built when stale."""
        return when_stale()

    def _reads(self, manifest: Props, props: Props) -> dict[str, Reads]:
        seconds = int(_meta(props).get("partitions", {}).get("lookback_seconds", 0))
        days = math.ceil(seconds / 86400)
        reads: dict[str, Reads] = {}
        for upstream in props.get("depends_on", {}).get("nodes", []):
            if upstream not in manifest["nodes"]:
                continue
            other = self.get_resource_props(manifest, upstream)
            rule = _meta(other).get("read_as", days)
            reads[self.get_asset_key(other).to_user_string()] = rule
        return reads


def _meta(props: Props) -> Props:
    return {**props.get("meta", {}), **props.get("config", {}).get("meta", {})}


def _code_version(manifest: Props, props: Props) -> str:
    """A digest of the model's code and of the project's own macros that it calls, directly or not."""
    macros: dict[str, str] = {}
    unread = list(props["depends_on"]["macros"])
    while unread:
        name = unread.pop()
        macro = manifest["macros"].get(name)
        if macro and macro["package_name"] == props["package_name"] and name not in macros:
            macros[name] = macro["macro_sql"]
            unread.extend(macro["depends_on"]["macros"])
    text = "\0".join([props["raw_code"], *(macros[name] for name in sorted(macros))])
    return hashlib.sha256(text.encode()).hexdigest()[:16]
