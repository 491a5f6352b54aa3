"""What is stale, what has been built, and in which order the rest is made."""
