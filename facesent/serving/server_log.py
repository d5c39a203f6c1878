"""What a server's log says of its end, without the secrets of the environment."""

import os
import re
from typing import IO

from facesent.registry.credentials import without_credentials

_BYTES = 64 * 1024
_TAIL_LINES = 12
_REASON_CHARACTERS = 400

_ERROR = re.compile(r"(?:ERROR: +)?(?:[\w.]+(?:Error|Exception)\b|\[Errno \d+\]).*")
_PORT_TAKEN = "address already in use"

_SECRET_NAME = re.compile(r"TOKEN|SECRET|PASSW|KEY|CREDENTIAL|AUTH(?!OR)", re.IGNORECASE)
_SHORTEST_SECRET = 6


def reason(log: IO[bytes]) -> str:
    """The last error, in one line; without one the last line."""
    lines = _lines(log)
    errors = [line for line in lines if _ERROR.fullmatch(line)]
    last = next(iter([*reversed(errors), *reversed(lines)]), "it wrote nothing")
    return last.removeprefix("ERROR:").strip()[:_REASON_CHARACTERS]


def tail(log: IO[bytes]) -> str:
    """The last lines."""
    return "\n".join(_lines(log)[-_TAIL_LINES:])


def says_port_is_taken(log: IO[bytes]) -> bool:
    """Whether the server ended because another process listens on its port."""
    return any(_PORT_TAKEN in line for line in _lines(log))


def without_secrets(text: str) -> str:
    """``text`` without the values of variables that are named like secrets, and without users in addresses."""
    secrets = [value for name, value in os.environ.items() if _SECRET_NAME.search(name)]
    for secret in sorted(secrets, key=len, reverse=True):
        if len(secret) >= _SHORTEST_SECRET:
            text = text.replace(secret, "***")
    return without_credentials(text)


def _lines(log: IO[bytes]) -> list[str]:
    # The server writes through the same open file: its position has to stay at the end.
    size = os.fstat(log.fileno()).st_size
    content = os.pread(log.fileno(), _BYTES, max(0, size - _BYTES))
    text = without_secrets(content.decode(errors="replace"))
    return [line.rstrip() for line in text.splitlines() if line.strip()]
