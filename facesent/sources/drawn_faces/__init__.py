"""The dataset that comes with the project: six classes of drawn faces, the same bytes on every machine."""
