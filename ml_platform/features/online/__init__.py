"""features/online."""
