"""A closer look: a traced row, checked gradients and random seeds."""
