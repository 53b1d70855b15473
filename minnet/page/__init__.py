"""One HTML file to explore a trained model in a browser."""

ROWS = 3000
"""How many rows of a table a page holds unless told otherwise."""
