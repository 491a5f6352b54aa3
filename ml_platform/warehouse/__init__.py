"""The warehouse port: one contract, DuckDB locally and BigQuery in production."""
