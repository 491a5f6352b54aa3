"""One Dagster asset graph for data and machine learning."""
