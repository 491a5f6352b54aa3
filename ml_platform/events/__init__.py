"""Events: what is published, and the log that keeps it."""
