"""Monitoring of released models: performance, drift, and when a retraining is due."""
