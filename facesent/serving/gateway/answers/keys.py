"""Keys beside the log, of which nobody else can make the same pseudonyms."""

import hmac
import os
import secrets
from contextlib import suppress
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from tempfile import NamedTemporaryFile

_DAILY = "client-"
_CONTENT = "content"
_KEYS = "keys"
_DIGITS = 32


def client_of(address: str, folder: Path, day: datetime | None = None) -> str:
    """A pseudonym of a client for one day (UTC): its requests go together, those of another day do not.

    Earlier days' keys are removed, so that nobody can tell any more which address a pseudonym was.

    Args:
        address: of the client.
        folder: of the log.
        day: of the request; today if not given.
    """
    name = f"{_DAILY}{(day or datetime.now(UTC)).date().isoformat()}"
    key = _key(folder / _KEYS / name)
    for other in (folder / _KEYS).glob(f"{_DAILY}*"):
        if other.name < name:
            other.unlink(missing_ok=True)
    return hmac.new(key, address.encode(), sha256).hexdigest()[:_DIGITS]


def content_of(photo: bytes, folder: Path) -> str:
    """A hash of a photo's bytes that says nothing to who has no key."""
    return hmac.new(_key(folder / _KEYS / _CONTENT), photo, sha256).hexdigest()


def has_content_key(folder: Path) -> bool:
    """Whether ``content_of`` was ever asked."""
    return (folder / _KEYS / _CONTENT).is_file()


def private(folder: Path) -> Path:
    """The folder, made for its owner alone."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder


def _key(path: Path) -> bytes:
    """What is in the file; a new key if there is none, the same one in all processes."""
    with suppress(FileNotFoundError):
        return path.read_bytes()
    private(path.parent.parent)
    with NamedTemporaryFile(dir=private(path.parent), prefix=".draft-") as draft:
        draft.write(secrets.token_bytes(32))
        draft.flush()
        with suppress(FileExistsError):
            # Whole, or of another process that was first.
            os.link(draft.name, path)
    return path.read_bytes()
