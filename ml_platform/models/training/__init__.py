"""Training: the rows that a model learns from, the run that tracks it, and the candidate that it leaves."""
