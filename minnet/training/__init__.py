"""How networks are trained: settings, folds, batches, the loop, its history and checkpoints."""
