"""The dbt project as assets: one definition for all models, every data test an asset check."""
