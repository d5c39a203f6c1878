"""Section ``server`` of ``params.yaml``."""

from facesent.section import AboveZero, Positive, Section


class Server(Section):
    """Bounds of ``facesent serve``; none of them changes a version.

    Attributes:
        max_body_mb: of a request, in 10^6 bytes.
        max_rows: photos in a request.
        max_requests: that a process works on or keeps waiting at once; more are told to come back.
        request_seconds: in which a request has to arrive, and then be answered.
        poll_seconds: between two looks at the registry for another champion.
    """

    max_body_mb: AboveZero
    max_rows: Positive
    max_requests: Positive
    request_seconds: AboveZero
    poll_seconds: AboveZero
