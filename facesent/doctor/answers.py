"""What a server answers when it is asked once."""

import os
from typing import TYPE_CHECKING

from facesent.core import certificates

if TYPE_CHECKING:
    from collections.abc import Mapping

    from requests import Response

_SECONDS = 5


class NoAnswerError(Exception):
    """A server does not answer; the message says why, without its address, which may have a password.

    Attributes:
        advice: what to do; empty where the message does not tell.
    """

    def __init__(self, why: str, advice: str = "") -> None:
        self.advice = advice
        super().__init__(why)


def answer_of(
    address: str,
    certificate: str,
    *,
    verify: bool | str,
    user: tuple[str, str] | None = None,
    headers: "Mapping[str, str] | None" = None,
) -> "Response":
    """What a server answers, whatever its status.

    Args:
        address: to ask.
        certificate: the variable that names the file by which it is trusted.
        verify: how its certificate is checked, as for ``requests``.
        user: name and password.
        headers: of the request.

    Raises:
        NoAnswerError: it does not answer.
    """
    import requests

    try:
        return requests.get(address, timeout=_SECONDS, auth=user, verify=verify, headers=headers)
    # Also a file of certificates that is gone.
    except OSError as error:
        raise NoAnswerError(type(error).__name__, certificates.advice_for(str(error), certificate)) from None


def checked_by(insecure: str, *files: str) -> bool | str:
    """How a client checks certificates: not at all, by those in a file, or as everybody does."""
    named = next(filter(None, map(os.environ.get, files)), True)
    return os.environ.get(insecure, "").lower() not in ("true", "1") and named
