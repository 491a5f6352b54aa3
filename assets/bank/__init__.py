"""What several use cases share of the simulated bank: the sources that its systems drop into the landing folder."""
