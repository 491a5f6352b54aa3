"""Where training runs: :mod:`.base` is the contract of a job, each backend one file beside it."""
