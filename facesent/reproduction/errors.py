"""What keeps a version from being trained again."""

from facesent.errors import FacesentError


class ReproductionError(FacesentError):
    """The version's commit, changes, images or stages cannot be had."""
