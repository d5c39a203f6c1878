"""What cross-validation cannot do with what it was given."""

from facesent.errors import FacesentError


class CrossValidationError(FacesentError):
    """The images cannot be divided into the folds asked for, or a fold's result is missing or not of these settings."""
