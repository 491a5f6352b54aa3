"""Translation of a dbt model into an asset."""

import hashlib
from collections.abc import Mapping
from typing import Any

import dagster as dg
from dagster_dbt import DagsterDbtTranslator, DbtProject

from ml_platform.cadence import Cadence
from ml_platform.orchestration.assets.naming import freshness_of
from ml_platform.orchestration.dbt.calendars import RelationCalendars, meta
from ml_platform.orchestration.dbt.normal_form import normal_form
from ml_platform.orchestration.planning.calendars import CALENDAR
from ml_platform.orchestration.planning.conditions import when_stale
from ml_platform.orchestration.planning.nodes import READS, SHOWS, VIEW, Reads, through, wider

__all__ = ["Translator"]

Props = Mapping[str, Any]


class Translator(DagsterDbtTranslator):
    """Asset keys as relations are named, groups by schema, owners and windows from `meta`, partitions by calendar."""

    def __init__(self, calendars: RelationCalendars) -> None:
        super().__init__()
        self._calendars = calendars

    def get_asset_spec(self, manifest: Props, unique_id: str, project: DbtProject | None) -> dg.AssetSpec:
        """The spec, with how far back a partition of the model reads each upstream."""
        spec = super().get_asset_spec(manifest, unique_id, project)
        props = self.get_resource_props(manifest, unique_id)
        if props["resource_type"] != "model":
            return spec
        view = _is_view(props)
        partitions = self._calendars.partitions_of(unique_id)
        calendar = partitions or self._calendars.of_resource(unique_id)
        reads = self._reads(manifest, props)
        tested = self._read_by_tests(manifest, unique_id) - {dep.asset_key for dep in spec.deps} - {spec.key}
        return spec.replace_attributes(
            deps=[*spec.deps, *(dg.AssetDep(key) for key in sorted(tested))],
            freshness_policy=freshness_of(calendar.cadence if calendar else Cadence.DAILY),
            code_version=_code_version(manifest, props),
            kinds=spec.kinds | {"view" if view else "table"},
        ).merge_attributes(
            metadata={
                READS: {**dict.fromkeys((key.to_user_string() for key in tested), "order"), **reads},
                VIEW: view,
                **({SHOWS: self._shows(manifest, props)} if view else {}),
                **(partitions.metadata if partitions else {}),
            }
        )

    def get_asset_key(self, dbt_resource_props: Props) -> dg.AssetKey:
        """``schema/name``, as the relation is called; of predictions, the asset that writes them."""
        return self._calendars.asset_of(f"{dbt_resource_props['schema']}.{dbt_resource_props['name']}")

    def get_group_name(self, dbt_resource_props: Props) -> str:
        """The schema: raw, staging or features."""
        return str(dbt_resource_props["schema"])

    def get_owners(self, dbt_resource_props: Props) -> list[str]:
        """``meta.owner``."""
        owner = meta(dbt_resource_props).get("owner")
        return [str(owner)] if owner else []

    def get_partitions_def(self, dbt_resource_props: Props) -> dg.PartitionsDefinition[str] | None:
        """The calendar of a model that is made partition by partition."""
        calendar = self._calendars.partitions_of(dbt_resource_props["unique_id"])
        return calendar.partitions if calendar else None

    def get_partition_mapping(
        self, dbt_resource_props: Props, dbt_parent_resource_props: Props
    ) -> dg.PartitionMapping | None:
        """The same partition, where both have one calendar; else any may be read (the windows are ours to know)."""
        own, other = (
            self._calendars.partitions_of(props["unique_id"])
            for props in (dbt_resource_props, dbt_parent_resource_props)
        )
        return dg.AllPartitionMapping() if own and other and own != other else None

    def get_automation_condition(self, dbt_resource_props: Props) -> dg.AutomationCondition[dg.AssetKey]:  # noqa: ARG002
        """Built when stale."""
        return when_stale()

    def _reads(self, manifest: Props, props: Props) -> dict[str, Reads]:
        declared = meta(props).get("partitions")
        own: Reads = float(declared.get("lookback_seconds") or 0) if declared is not None else "all"
        reads: dict[str, Reads] = {}
        for upstream in _upstream(manifest, props):
            other = self.get_resource_props(manifest, upstream)
            rule = meta(other).get("read_as", own) if other["resource_type"] == "model" else own
            reads[self.get_asset_key(other).to_user_string()] = rule
        return reads

    def _shows(self, manifest: Props, props: Props) -> dict[str, dict[str, Any]]:
        """The assets that a view is made from, through other views, as ``SHOWS`` tells it."""
        reads = self._reads(manifest, props)
        found: dict[str, dict[str, Any]] = {}
        for upstream in _upstream(manifest, props):
            other = self.get_resource_props(manifest, upstream)
            key = self.get_asset_key(other).to_user_string()
            if _is_view(other):
                behind = self._shows(manifest, other)
                shown = {k: {**s, "reads": through(reads[key], s["reads"])} for k, s in behind.items()}
            else:
                calendar = self._calendars.partitions_of(upstream)
                shown = {
                    key: {"reads": reads[key], "calendar": calendar.metadata[CALENDAR] if calendar else None}
                }
            for one, how in shown.items():
                before = found[one]["reads"] if one in found else None
                found[one] = {**how, "reads": wider(before, how["reads"])}
        return found

    def _read_by_tests(self, manifest: Props, unique_id: str) -> set[dg.AssetKey]:
        """Assets that the tests of a model read besides it, but for those made from it."""
        found: set[str] = set()
        for props in manifest["nodes"].values():
            if props["resource_type"] == "test" and props.get("attached_node") == unique_id:
                found |= {one for one in props["depends_on"]["nodes"] if one != unique_id}
        return {
            self.get_asset_key(self.get_resource_props(manifest, one))
            for one in found
            if unique_id not in _ancestors(manifest, one)
        }


def _upstream(manifest: Props, props: Props) -> list[str]:
    """Ids of the models and sources that a model reads."""
    named = props.get("depends_on", {}).get("nodes", [])
    return [one for one in named if one in manifest["nodes"] or one in manifest["sources"]]


def _is_view(props: Props) -> bool:
    return bool(props["resource_type"] == "model" and props["config"]["materialized"] == "view")


def _ancestors(manifest: Props, unique_id: str) -> set[str]:
    """Everything that a resource is made from, and what the tests of those read."""
    found: set[str] = set()
    unread = [unique_id]
    while unread:
        one = unread.pop()
        found.add(one)
        props = manifest["nodes"].get(one, {})
        unread += [up for up in props.get("depends_on", {}).get("nodes", []) if up not in found]
    return found


def _code_version(manifest: Props, props: Props) -> str:
    """A digest of the model's code and of the project's own macros that it calls, directly or not.

    Comments and white space do not count: they change no row. That of a view covers the views that it reads.
    """
    macros: dict[str, str] = {}
    unread = list(props["depends_on"]["macros"])
    while unread:
        name = unread.pop()
        macro = manifest["macros"].get(name)
        if macro and macro["package_name"] == props["package_name"] and name not in macros:
            macros[name] = macro["macro_sql"]
            unread.extend(macro["depends_on"]["macros"])
    upstream = [manifest["nodes"].get(one) for one in _upstream(manifest, props)] if _is_view(props) else []
    views = [_code_version(manifest, one) for one in upstream if one and _is_view(one)]
    own = [normal_form(code) for code in (props["raw_code"], *(macros[name] for name in sorted(macros)))]
    text = "\0".join([*own, *views])
    return hashlib.sha256(text.encode()).hexdigest()[:16]
