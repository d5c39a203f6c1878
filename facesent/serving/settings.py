"""Sections ``server`` and ``log`` of ``params.yaml``."""

from facesent.section import AboveZero, Positive, Section, Share


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


class Log(Section):
    """What ``facesent serve`` keeps of its answers; none of it changes one.

    Attributes:
        enabled: whether there is a log.
        photos: keep the photos too, in the folder ``answers/``.
        keep_days: after which an answer, its photo and its corrections are deleted.
        embeddings: keep embeddings, by which a person may be known, and a keyed hash of the photo's bytes.
        audit_share: of the answers, marked at random for a person to look at.
        queue: answers that may wait to be written; more are dropped, and counted.
        corrections: of a client that may wait to be accepted, a day.
    """

    enabled: bool
    photos: bool
    keep_days: AboveZero
    embeddings: bool
    audit_share: Share
    queue: Positive
    corrections: Positive
