"""From class folders to a manifest and splits, with checks of the images."""
