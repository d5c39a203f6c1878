"""What keeps a lineage from being told."""

from facesent.errors import FacesentError


class LineageError(FacesentError):
    """What was asked for is not known, or could be several things."""
