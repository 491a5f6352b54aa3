"""Declarations as Dagster assets and checks."""
