"""Renders the models of the dbt project without dbt's command line, as either engine would be given them."""

import datetime as dt
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
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
        partitions: keys of the partitions that are built; None builds all.
        folder: where the models are.
    """

    def __init__(
        self,
        dialect: str,
        sources: Mapping[str, str],
        partitions: Sequence[str] | None = None,
        folder: Path = PROJECT / "models",
    ) -> None:
        self.dialect, self.sources, self.partitions = dialect, sources, partitions
        self.files = {path.stem: path for path in sorted(folder.rglob("*.sql"))}
        self.configured: dict[str, Mapping[str, Any]] = {}

    def sql(self, model: str) -> str:
        """The model as one query: every model that it reads is inlined."""
        from dbt_common.clients.jinja import get_template, render_template

        context = self._context(model)
        return render_template(get_template(self.files[model].read_text(), context), context)

    def config(self, model: str) -> Mapping[str, Any]:
        """The arguments of the model's last call of ``config``."""
        self.sql(model)
        return self.configured[model]

    def _context(self, model: str) -> dict[str, Any]:
        from dbt_common.clients.jinja import CallableMacroGenerator, extract_toplevel_blocks
        from dbt_common.exceptions import CompilationError
        from dbt_common.exceptions.macros import MacroReturn

        def give(value: Any = None) -> None:
            raise MacroReturn(value)

        def fail(message: str) -> None:
            raise CompilationError(message)

        def configure(**settings: Any) -> str:
            self.configured[model] = settings
            return ""

        context: dict[str, Any] = {
            "return": give,
            "adapter": SimpleNamespace(dispatch=lambda name: context[f"{self.dialect}__{name}"]),
            "dbt": SimpleNamespace(type_bigint=lambda: _BIGINT[self.dialect]),
            "modules": {"datetime": dt, "re": re},
            "exceptions": SimpleNamespace(raise_compiler_error=fail),
            "execute": True,
            "graph": {},
            "model": {"name": model},
            "config": configure,
            "var": lambda name, default=None: self.partitions if name == "partitions" else default,
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
