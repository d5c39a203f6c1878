"""What keeps photos from being scored, in words for those who have to act on it."""

from facesent.core.errors import FacesentError


class ScoringError(FacesentError):
    """Photos cannot be listed or fetched, or a folder of answers is not what it was taken for."""
