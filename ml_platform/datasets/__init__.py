"""Datasets: immutable snapshots of labelled events on object storage, and their checks."""
