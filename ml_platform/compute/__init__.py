"""Backends that training runs on: :mod:`.base` is the contract of a job, each backend one file beside it."""
