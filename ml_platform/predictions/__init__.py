"""Batch predictions, and the events that announce them."""
