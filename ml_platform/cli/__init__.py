"""The command line: only what Dagster's own `dg` does not do."""
