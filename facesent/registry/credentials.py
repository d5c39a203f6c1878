"""Credentials kept out of addresses, which MLflow prints, logs and puts into its errors."""

import re
from collections.abc import Iterator, MutableMapping
from urllib.parse import unquote, urlsplit

from facesent.core.trouble import Trouble

_USER_AND_PASSWORD = re.compile(r"(?<=://)[^/\s]*@")
# A database's may hold a slash, by which an address of the web ends its host.
_OF_A_DATABASE = re.compile(r"(?<![\w+.-])(?!https?:)([a-z][\w+.-]*://)[^:/\s]*:[^@\s]*@([^?\s]*@)?", re.IGNORECASE)
# As SQLAlchemy tells its parts: the password ends at the first @.
_PARTS = re.compile(r"(?!https?:)[a-z][\w+.-]*://(?P<user>[^:/]*:[^@]*)@(?P<rest>[^?]*)", re.IGNORECASE)
_IN_QUERY = re.compile(r"(?<=[?&])(\w*password=)[^&\s'\"]+", re.IGNORECASE)


def move_credentials(environ: MutableMapping[str, str]) -> None:
    """Move user and password from MLFLOW_TRACKING_URI to the variables that MLflow has for them.

    Where both are set those of the address count, as they do for MLflow. A database's address keeps them: there is no
    other place for them.
    """
    address = environ.get("MLFLOW_TRACKING_URI", "")
    if not _can_be_split(address):
        return
    parts = urlsplit(address)
    if parts.scheme not in ("http", "https") or "@" not in parts.netloc:
        return
    environ["MLFLOW_TRACKING_URI"] = without_credentials(parts.geturl())
    environ["MLFLOW_TRACKING_USERNAME"] = unquote(parts.username or "")
    environ["MLFLOW_TRACKING_PASSWORD"] = unquote(parts.password or "")


def encoding_troubles(name: str, address: str) -> Iterator[Trouble]:
    """Whether nobody can tell the parts of an address; it is not shown, as its password could be anywhere in it.

    Args:
        name: of the variable that has it.
        address: its value.
    """
    if not _can_be_split(address) or _is_ambiguous(address):
        what = "expected an address. Received: one whose host cannot be told from its user and password"
        yield Trouble(name, what, "Percent-encode the signs in these, for instance [ as %5B, @ as %40, a space as %20")


def _can_be_split(address: str) -> bool:
    try:
        urlsplit(address)
    except ValueError:
        return False
    return True


def _is_ambiguous(address: str) -> bool:
    """Whether what is taken for a database's host may be the end of its password, or a text would show both."""
    parts = _PARTS.match(address)
    return parts is not None and ("@" in parts["rest"] or bool(re.search(r"\s", parts["user"])))


def without_credentials(text: str) -> str:
    """Leave user and password out of every address in ``text``."""
    return without_password_in_query(_USER_AND_PASSWORD.sub("", _OF_A_DATABASE.sub(r"\1", text)))


def without_password_in_query(text: str) -> str:
    """Hide it where an address in ``text`` names it as an option."""
    return _IN_QUERY.sub(r"\1***", text)
