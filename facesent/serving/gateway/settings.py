"""What the server's processes are told by the one that starts them."""

import json
from dataclasses import asdict, dataclass, field
from typing import Literal

Scope = Literal["ask", "correct", "operate"]
# The first is for those who ask for answers; a client that corrects or watches has one of its own.
TOKEN_VARIABLES: dict[Scope, str] = {
    "ask": "FACESENT_TOKEN",
    "correct": "FACESENT_TOKEN_CORRECT",
    "operate": "FACESENT_TOKEN_OPERATE",
}


@dataclass(frozen=True)
class LogSettings:
    """What is kept of answers; section ``log`` of ``params.yaml`` says what each is.

    Attributes:
        photos: keep the photos too.
        keep_days: after which a row and its photo are deleted.
        embeddings: keep embeddings, and a keyed hash of the photo's bytes.
        audit_share: of the answers, marked at random.
        queue: answers that may wait to be written.
        corrections: of a client that may wait for a person at once, a day.
    """

    photos: bool
    keep_days: float
    embeddings: bool
    audit_share: float
    queue: int
    corrections: int


@dataclass(frozen=True)
class GatewaySettings:
    """Bounds of a server's process.

    Attributes:
        max_body_bytes: of a request.
        max_rows: photos in a request.
        max_requests: that are worked on or wait at once.
        request_seconds: in which a request has to arrive, and then be answered.
        hosts: names that a client may call the server by; empty for any.
        log: what is kept of answers; None for nothing.
        state_file: what is served and what went wrong, for ``/health``; written by the starter.
        tokens: what a client has to show, by scope, as environment variables name them; empty where nobody is asked.
    """

    max_body_bytes: int
    max_rows: int
    max_requests: int
    request_seconds: float
    hosts: tuple[str, ...]
    state_file: str
    log: LogSettings | None = None
    tokens: dict[Scope, str] = field(default_factory=dict, repr=False)

    def to_json(self) -> str:
        """Without the tokens, which a list of processes would show."""
        return json.dumps({**asdict(self), "tokens": {}})

    @classmethod
    def from_json(cls, text: str, tokens: dict[Scope, str]) -> "GatewaySettings":
        """What ``to_json`` wrote, with the tokens of the environment."""
        values = json.loads(text)
        log = values["log"] and LogSettings(**values["log"])
        return cls(**{**values, "hosts": tuple(values["hosts"]), "log": log, "tokens": tokens})
