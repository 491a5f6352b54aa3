"""Customers' messages, and which team resolved each: text in several languages, with typing errors and noise."""

from bank_simulator.messages.day import messages, resolutions, truth

__all__ = ["messages", "resolutions", "truth"]
