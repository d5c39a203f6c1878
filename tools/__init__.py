"""Programs for those who work on the project; nothing of it needs them."""
