"""Pictures; each function draws on `ax`, or on a new figure."""
