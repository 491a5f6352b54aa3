"""A simulated bank, which writes to the landing folder like any other source of payments."""
