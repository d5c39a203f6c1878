"""From a photo to a label and its confidence."""
