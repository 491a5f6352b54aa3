"""The assets that this project builds: one folder for each use case, and beside them the data that they share."""
