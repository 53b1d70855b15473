"""From a file to features: cells, CSV files, tables, columns, and how they are encoded."""

from __future__ import annotations
