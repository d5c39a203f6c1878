"""What the server's processes are told by the one that starts them."""

import json
from dataclasses import asdict, dataclass, field
from typing import Literal, get_args

Scope = Literal["ask", "correct", "operate"]
SCOPES: tuple[Scope, ...] = get_args(Scope)
# The first is for those who ask for answers; a client that corrects or watches has one of its own.
TOKEN_VARIABLES: dict[Scope, str] = {
    "ask": "FACESENT_TOKEN",
    "correct": "FACESENT_TOKEN_CORRECT",
    "operate": "FACESENT_TOKEN_OPERATE",
}


@dataclass(frozen=True)
class GatewaySettings:
    """Bounds of a server's process.

    Attributes:
        max_body_bytes: of a request.
        max_rows: photos in a request.
        max_requests: that are worked on or wait at once.
        request_seconds: in which a request has to arrive, and then be answered.
        hosts: names that a client may call the server by; empty for any.
        state_file: what is served and what went wrong, for ``/health``; written by the starter.
        tokens: what a client has to show, by scope, as environment variables name them; empty where nobody is asked.
    """

    max_body_bytes: int
    max_rows: int
    max_requests: int
    request_seconds: float
    hosts: tuple[str, ...]
    state_file: str
    tokens: dict[Scope, str] = field(default_factory=dict, repr=False)

    def to_json(self) -> str:
        """Without the tokens, which a list of processes would show."""
        return json.dumps({**asdict(self), "tokens": {}})

    @classmethod
    def from_json(cls, text: str, tokens: dict[Scope, str]) -> "GatewaySettings":
        """What ``to_json`` wrote, with the tokens of the environment."""
        values = json.loads(text)
        return cls(**{**values, "hosts": tuple(values["hosts"]), "tokens": tokens})
