"""What a person can put right: shown as one message, without a traceback."""


class FacesentError(Exception):
    """Says what was expected, what was received and what to do."""


def in_words(error: OSError) -> str:
    """What the system refused, and of which file."""
    return f"{error.strerror or error}" + (f": {error.filename}" if error.filename else "")


class TrackingError(FacesentError):
    """MLflow cannot be reached or refuses what it is given; what was asked for may work later."""


class DataError(FacesentError):
    """The message says what was expected, what was received and what to do."""


class CrossValidationError(FacesentError):
    """The images cannot be divided into the folds asked for, or a fold's result is missing or not of these settings."""


class PackageError(FacesentError):
    """A package cannot be had, or is not the one that was pinned."""


class LineageError(FacesentError):
    """What was asked for is not known, or could be several things."""


class ReproductionError(FacesentError):
    """The version's commit, changes, images or stages cannot be had."""
