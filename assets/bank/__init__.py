"""Sources that several use cases share: the systems of the simulated bank drop them into the landing folder."""
