"""From ``study.yaml`` to ``study.json``: folds, budgets, pretrainings, test datasets; nothing here runs a training."""
