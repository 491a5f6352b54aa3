"""The assets that are stale, those that have been built, and the order in which the rest is made."""
