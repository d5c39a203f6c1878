"""Images and weights from elsewhere, under DVC."""
