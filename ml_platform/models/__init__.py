"""Models: training, tasks, frameworks, evaluation and releases."""
