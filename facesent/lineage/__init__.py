"""Where a model comes from, and whether training it again gives the same weights."""
