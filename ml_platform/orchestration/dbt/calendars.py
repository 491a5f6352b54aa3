"""The calendar of each relation that sources and dbt models make."""

import json
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import dagster as dg

from ml_platform.cadence import Cadence
from ml_platform.errors import ConfigurationError
from ml_platform.ingestion.source import RawSource
from ml_platform.ingestion.sources import sources_of
from ml_platform.orchestration.assets.naming import asset_key
from ml_platform.orchestration.assets.predictions import prediction_calendar, prediction_key
from ml_platform.orchestration.assets.raw import calendar_of
from ml_platform.orchestration.dbt.project import manifest_path
from ml_platform.orchestration.planning.calendars import Calendar, derived
from ml_platform.predictions.table import batch_scoring
from ml_platform.project import load_use_cases
from ml_platform.settings import Settings
from ml_platform.use_case import UseCase

__all__ = ["RelationCalendars", "meta", "relation_calendars"]

Props = Mapping[str, Any]


def meta(props: Props) -> Mapping[str, Any]:
    """``meta`` of a dbt resource, wherever it was configured."""
    return {**props.get("meta", {}), **props.get("config", {}).get("meta", {})}


@cache
def relation_calendars(root: Path) -> "RelationCalendars":
    """The calendars of a project: of the sources that its use cases declare, and of its dbt models.

    Args:
        root: the project's folder; its ``dbt_project`` is parsed if no process did so before.

    Raises:
        ConfigurationError: dbt's YAML says other partitions of a table than the use case that fills it.
    """
    project = root / "dbt_project"
    manifest = json.loads(manifest_path(project, Settings()).read_text()) if project.is_dir() else {}
    calendars = RelationCalendars(load_use_cases(root), manifest)
    calendars.check_described()
    return calendars


class RelationCalendars:
    """Looks up calendars by relation (``schema.table``) or by dbt's unique id.

    A raw table has its source's calendar. A model that is made partition by partition (its ``meta.partitions``) has
    that of the relation which it names as ``events``, or one derived from it when it names another cadence. Any other
    model has no partitions; in time it follows what it is made from, when that agrees.

    Attributes:
        sources: the sources of the landing folder.
        manifest: dbt's manifest, parsed; empty without a dbt project.
    """

    def __init__(self, use_cases: Sequence[UseCase], manifest: Props) -> None:
        self.sources, self.manifest = sources_of(use_cases), manifest
        self._raw = {source.relation: calendar_of(source) for source in self.sources}
        known = {use_case.name: use_case for use_case in use_cases}
        self._predictions = {
            declared.relation: batch_scoring(use_case, declared, known)
            for use_case in use_cases
            for declared in use_case.batch_predictions
        }
        self._resources: dict[str, Props] = {**manifest.get("nodes", {}), **manifest.get("sources", {})}
        self._by_relation = {
            f"{props['schema']}.{props['name']}": unique_id
            for unique_id, props in self._resources.items()
            if props["resource_type"] in {"model", "seed", "snapshot", "source"}
        }
        self._known: dict[str, Calendar | None] = {}

    def of(self, relation: str) -> Calendar | None:
        """The calendar that a relation follows in time; None when it follows none, or several."""
        if relation in self._raw:
            return self._raw[relation]
        if relation in self._predictions:
            scoring = self._predictions[relation]
            return prediction_calendar(scoring, self.of(scoring.dataset.events))
        unique_id = self._by_relation.get(relation)
        return self.of_resource(unique_id) if unique_id else None

    def origins(self, relation: str) -> list[RawSource]:
        """The sources that a relation is made from, however far back, by name."""
        if relation in self._raw:
            return [source for source in self.sources if source.relation == relation]
        if relation in self._predictions:
            return self.origins(self._predictions[relation].dataset.events)
        found, seen, todo = dict[str, RawSource](), set[str](), [self._by_relation.get(relation)]
        while todo:
            one = todo.pop()
            if one not in self._resources or one in seen:
                continue
            seen.add(one)
            props = self._resources[one]
            made = f"{props['schema']}.{props['name']}"
            if made in self._raw or made in self._predictions:
                found |= {source.name: source for source in self.origins(made)}
            todo += props.get("depends_on", {}).get("nodes", [])
        return [found[name] for name in sorted(found)]

    def asset_of(self, relation: str) -> dg.AssetKey:
        """The asset that makes a relation: of predictions, that of the use case; else it is named like the relation."""
        scoring = self._predictions.get(relation)
        return prediction_key(scoring, "predictions") if scoring else asset_key(relation)

    def of_resource(self, unique_id: str) -> Calendar | None:
        """The same, by dbt's unique id."""
        if unique_id not in self._known:
            self._known[unique_id] = None  # dbt's graph has no cycles; should it have one, it ends here
            self._known[unique_id] = self._find(unique_id)
        return self._known[unique_id]

    def partitions_of(self, unique_id: str) -> Calendar | None:
        """The calendar of the partitions of a model, or of a source; None for a model that is made whole."""
        props = self._resources[unique_id]
        made = props["resource_type"] != "model" or "partitions" in meta(props)
        return self.of_resource(unique_id) if made else None

    def column_of(self, relation: str, cadence: Cadence) -> str:
        """The column that holds a model's partitions: the one that it declares, or that of its cadence."""
        declared = meta(self._resources[self._by_relation[relation]]).get("partitions") or {}
        return declared.get("column") or cadence.column

    def check_described(self) -> None:
        """Refuse a dbt source whose partition column is not the one that its table has, for dbt knows only its YAML.

        Raises:
            ConfigurationError: names the file, the table, and the line that is missing.
        """
        for props in self.manifest.get("sources", {}).values():
            relation = f"{props['schema']}.{props['name']}"
            calendar = self.of(relation) if relation in self._raw or relation in self._predictions else None
            if calendar is None:
                continue
            cadence = calendar.cadence
            kind = "timestamp" if cadence is Cadence.HOURLY else "date"
            said = props.get("columns", {}).get(cadence.column, {}).get("data_type")
            if said != kind:
                where = props.get("original_file_path", "dbt_project")
                raise ConfigurationError(
                    f"{where}: {relation} is {cadence}, and its column {cadence.column} is "
                    f"{'of type ' + repr(said) if said else 'not described with a data_type'}; describe it as "
                    f"`- {{name: {cadence.column}, data_type: {kind}}}`"
                )

    def _find(self, unique_id: str) -> Calendar | None:
        props = self._resources[unique_id]
        relation = f"{props['schema']}.{props['name']}"
        if relation in self._raw or relation in self._predictions:
            return self.of(relation)
        upstream = [one for one in props.get("depends_on", {}).get("nodes", []) if one in self._resources]
        declared = meta(props).get("partitions")
        if declared is None:
            found = {self.of_resource(one) for one in upstream} - {None}
            return found.pop() if len(found) == 1 else None
        events = declared["events"].split(".")[-1]
        named = [one for one in upstream if self._resources[one]["name"] == events]
        base = self.of_resource(named[0]) if named else None
        if base is None:
            names = ", ".join(sorted(self._resources[one]["name"] for one in upstream))
            raise ConfigurationError(
                f"dbt model {relation}: replaces_partitions(events='{declared['events']}') names nothing that it reads "
                f"and that has partitions; it reads {names or 'nothing'}: name one that follows one source, which a "
                "use case declares in its `sources`"
            )
        cadence = Cadence(declared["cadence"]) if declared.get("cadence") else base.cadence
        return derived(base, cadence, instant=bool(declared.get("instant")))
