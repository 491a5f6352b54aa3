"""How released models do: performance, drift, and when a retraining is due."""
