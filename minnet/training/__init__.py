"""How networks are trained: settings, folds, batches, the loop, its history and checkpoints."""

from __future__ import annotations
