"""bank_simulator."""
