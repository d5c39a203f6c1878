"""From class folders to a manifest and splits: what is there, whether it is good, who is tested on what."""
