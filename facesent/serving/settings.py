"""Sections ``server`` and ``log`` of ``params.yaml``."""

from typing import Annotated

from pydantic import Field

from facesent.section import AboveZero, NotNegative, Positive, Section, Share

Times = Annotated[float, Field(gt=1)]


class Server(Section):
    """Bounds of ``facesent serve``; none of them changes a version. None asks for nothing.

    Attributes:
        max_body_mb: of a request, in 10^6 bytes.
        max_rows: photos in a request.
        max_requests: that a process works on or keeps waiting at once; more are told to come back.
        request_seconds: in which a request has to arrive, and then be answered.
        poll_seconds: between two looks at the registry for another champion.
        shadow_requests: copies of real requests that a newer version answers before it takes over; 0 for none.
        shadow_seconds: after which it takes over if fewer came.
        shadow_slower: times the median time of the version that is served, from which on it is refused.
        rollback_seconds: after a newer version took over in which the server goes back by itself; 0 for never.
        rollback_failed: share of 5xx, beyond that of the version before, that is put up with.
        rollback_slower: times the p95 of the version before that are put up with.
        rollback_accuracy: of the audited answers, below which their interval must not lie.
    """

    max_body_mb: AboveZero
    max_rows: Positive
    max_requests: Positive
    request_seconds: AboveZero
    poll_seconds: AboveZero
    shadow_requests: Annotated[int, Field(ge=0, le=10_000)] = 100
    shadow_seconds: AboveZero = 60
    shadow_slower: Times | None = 3
    rollback_seconds: NotNegative = 3600
    rollback_failed: Share | None = 0.05
    rollback_slower: Times | None = 5
    rollback_accuracy: Share | None = None


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
