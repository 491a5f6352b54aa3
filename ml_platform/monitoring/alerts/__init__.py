"""The alert port: the log locally, a chat in production."""
