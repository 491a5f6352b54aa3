"""The Dagster instance that lives in the home folder."""
