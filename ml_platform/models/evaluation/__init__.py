"""The judgement of a model: folds, metrics, baselines, plots and the gate."""
