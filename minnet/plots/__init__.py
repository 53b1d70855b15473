"""Pictures; each function draws on `ax`, or on a new figure."""

from __future__ import annotations
