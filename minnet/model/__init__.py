"""A trained model: its file, its predictions, and its scores on rows it never trained on."""
