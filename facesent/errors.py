"""What a person can put right: shown as one message, without a traceback."""


class FacesentError(Exception):
    """Says what was expected, what was received and what to do."""


class TrackingError(FacesentError):
    """MLflow cannot be reached or refuses what it is given; what was asked for may work later."""
