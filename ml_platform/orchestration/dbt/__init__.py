"""A dbt project as assets. Importing dagster-dbt takes seconds, so nothing imports this package but what builds them."""
