"""Renders the models of the dbt project without dbt's command line, as either engine would be given them."""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import SimpleNamespace
from typing import Any

PROJECT = Path(__file__).parents[2] / "dbt_project"
_BIGINT = {"duckdb": "bigint", "bigquery": "int64"}


@dataclass(frozen=True)
class _Macro:
    name: str
    macro_sql: str
    unique_id: str


class Models:
    """The project's models in one dialect.

    Args:
        dialect: `duckdb` or `bigquery`.
        sources: raw table to what is to be read in its place: a relation, or a query in parentheses.
        days: the days that are built; None builds all.
    """

    def __init__(self, dialect: str, sources: Mapping[str, str], days: Sequence[str] | None = None) -> None:
        self.dialect, self.sources, self.days = dialect, sources, days
        self.files = {path.stem: path for path in sorted((PROJECT / "models").rglob("*.sql"))}

    def sql(self, model: str) -> str:
        """The model as one query: every model that it reads is inlined."""
        from dbt_common.clients.jinja import get_template, render_template

        return render_template(get_template(self.files[model].read_text(), self._context), self._context)

    @cached_property
    def _context(self) -> dict[str, Any]:
        from dbt_common.clients.jinja import CallableMacroGenerator, extract_toplevel_blocks
        from dbt_common.exceptions.macros import MacroReturn

        def give(value: Any = None) -> None:
            raise MacroReturn(value)

        context: dict[str, Any] = {
            "return": give,
            "adapter": SimpleNamespace(dispatch=lambda name: context[f"{self.dialect}__{name}"]),
            "dbt": SimpleNamespace(type_bigint=lambda: _BIGINT[self.dialect]),
            "modules": {"datetime": dt},
            "model": {},
            "config": lambda **_: "",
            "var": lambda name, default=None: self.days if name == "partitions" else default,
            "env_var": lambda name, default="": default,
            "ref": lambda name: f"({self.sql(name)})",
            "source": lambda _, name: self.sources[name],
        }
        kinds = {"macro", "materialization"}
        for path in sorted((PROJECT / "macros").glob("*.sql")):
            for block in extract_toplevel_blocks(path.read_text(), kinds, collect_raw_data=False):
                if block.block_type_name == "macro":
                    macro = _Macro(block.block_name, block.full_block, f"macro.{block.block_name}")
                    context[block.block_name] = CallableMacroGenerator(macro, context)
        return context
