"""Cross-validation: every image for training held out once, by a network that never saw it or its group."""
