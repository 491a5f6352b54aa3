"""Turns declarations into Dagster assets, checks, sensors and conditions; the only place, with the CLI, that knows Dagster."""
