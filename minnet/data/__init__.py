"""From a file to features: cells, CSV files, tables, columns, and how they are encoded."""
