"""What goes wrong on the way from a package to a weights file."""

from facesent.errors import FacesentError


class PackageError(FacesentError):
    """A package cannot be had, or is not the one that was pinned."""
