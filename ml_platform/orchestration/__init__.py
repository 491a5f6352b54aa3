"""Turns declarations into Dagster assets, checks, sensors and conditions; with the CLI, all that knows Dagster."""
