"""Where a model comes from, and training it again to see whether the same weights come out."""
