"""GoogleSQL's own reference implementation (ZetaSQL): it analyses as BigQuery does, and evaluates."""

from datetime import UTC, date, datetime, timedelta

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
TYPES = {str: "STRING", int: "INT64", float: "FLOAT64", datetime: "TIMESTAMP"}


def runner():
    """A function that runs a query and gives its rows; it takes half a minute to make."""
    from zetasql.api import CatalogBuilder, PreparedQuery
    from zetasql.types import AnalyzerOptions, LanguageOptions, ZetaSQLBuiltinFunctionOptions

    language = LanguageOptions.maximum_features()
    functions = ZetaSQLBuiltinFunctionOptions(language_options=language)
    catalog = CatalogBuilder("warehouse").with_builtin_functions(functions).build()
    options = AnalyzerOptions(language_options=language)

    def run(sql):
        builder = PreparedQuery.builder().set_sql(sql).set_analyzer_options(options).set_catalog(catalog)
        with builder.prepare() as query:
            table = query.execute().content.table_data  # None without rows
            return [tuple(_value(cell) for cell in row.cell) for row in table.row] if table else []

    return run


def _value(cell):
    for kind in ("int64_value", "double_value", "string_value"):
        if (value := getattr(cell, kind)) is not None:
            return value
    return None


def micros(moment):
    """Microseconds since 1970; None for None."""
    return None if moment is None else (moment - EPOCH) // timedelta(microseconds=1)


def literal(value):
    """A value in SQL."""
    if value is None:
        return "NULL"
    if isinstance(value, datetime):
        return f"TIMESTAMP_MICROS({micros(value)})"
    if isinstance(value, date):
        return f"DATE '{value}'"
    if isinstance(value, float):
        return f"CAST('{value}' AS FLOAT64)"
    if isinstance(value, str):
        return f"'{value}'"
    return str(value)


def as_query(rows, columns):
    """Rows as a query, so that a table needs no loading; ``columns`` are names and Python types."""
    nothing = ", ".join(f"CAST(NULL AS {TYPES[kind]}) AS {name}" for name, kind in columns.items())
    selects = [f"SELECT {nothing} FROM (SELECT 1) WHERE FALSE"]
    selects += ["SELECT " + ", ".join(literal(row[c]) for c in columns) for row in rows]
    return " UNION ALL ".join(selects)


def with_tables(sql, tables):
    """The query with its relations replaced by rows; ``tables``: relation to (rows, columns)."""
    for relation, (rows, columns) in tables.items():
        quoted = ".".join(f"`{part}`" for part in relation.split("."))
        sql = sql.replace(quoted, f"({as_query(rows, columns)})")
    return sql
