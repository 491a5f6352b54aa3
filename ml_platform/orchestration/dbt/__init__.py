"""A dbt project as assets. Importing dagster-dbt takes seconds: import this package only to build them."""
