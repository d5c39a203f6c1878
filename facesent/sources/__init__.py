"""Images and weights from outside the project."""
