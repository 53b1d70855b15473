"""Measurements side by side with peers and limits: `python -m tests.benchmarks [NAME ...]`."""
