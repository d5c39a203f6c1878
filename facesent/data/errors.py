"""What can go wrong with the images and can be put right by whoever reads the message."""

from facesent.errors import FacesentError


class DataError(FacesentError):
    """The message says what was expected, what was received and what to do."""
