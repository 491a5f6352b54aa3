"""Training, evaluation, gates and tracking of models, and the registry of their releases."""
