"""A closer look: a traced row, checked gradients, random seeds, diagnostics of a training."""

from __future__ import annotations
