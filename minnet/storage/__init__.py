"""Files on disk: replaced whole or not at all, and JSON that is read with suspicion."""
