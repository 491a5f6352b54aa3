"""Benchmarks, side by side with a peer or a floor in one run, printed as ratios. `make bench` runs all."""
