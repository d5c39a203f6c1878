"""The log as the server uses it: what is handed over, and what clients correct."""

import re
from collections.abc import Mapping
from contextlib import closing
from http import HTTPStatus
from typing import Any

from sqlalchemy.exc import DatabaseError

from . import metrics
from .answers.correcting import Correction, TooManyCorrections, UnknownAnswer, correct
from .answers.keys import client_of
from .answers.log import AnswerLog
from .answers.rows import AnsweredRequest
from .answers.store import AnswersError, Store, address
from .asking import Answer
from .refusals import Refusal
from .settings import LogSettings

ID_HEADER = b"x-facesent-id"
SUBJECT_HEADER = b"x-facesent-subject"

_SUBJECT = re.compile(r"[A-Za-z0-9._-]{1,64}")
# Clients and proxies take headers of 4 to 8 kB.
_SHOWN_IDS = 120
_MAX_BYTES = 10_000
_CLOSE_SECONDS = 5.0
_RETRY_SECONDS = 10
_DAY_SECONDS = 86_400


class Feedback:
    """The log of a server's process.

    Args:
        settings: what is kept.
    """

    def __init__(self, settings: LogSettings) -> None:
        self._settings, self._uri = settings, address()
        self._log = AnswerLog(settings, lambda: Store(self._uri))
        self.learn = self._log.learn

    def put(self, answer: Answer, client: str | None, subject: str | None) -> tuple[tuple[bytes, bytes], ...]:
        """Hand an answer over; the header that says its ids, where they are kept and not too many for one."""
        answered = AnsweredRequest(answer.predictions, answer.photos, answer.observed, answer.seconds, client, subject)
        ids = self._log.put(answered)
        return ((ID_HEADER, ",".join(ids).encode()),) if 0 < len(ids) <= _SHOWN_IDS else ()

    def close(self) -> None:
        """Write what waits."""
        self._log.close(_CLOSE_SECONDS)

    def correct(self, headers: Mapping[bytes, bytes], body: bytes, client: str | None) -> None:
        """Note what a client says of an answer.

        Raises:
            Refusal: it is not taken.
        """
        content_type = headers.get(b"content-type", b"").decode("latin-1").lower()
        # A page of elsewhere can send any other type without being asked first.
        if content_type.partition(";")[0].strip() != "application/json":
            message = "Expected the Content-Type application/json. Received: another one."
            raise Refusal(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "content type", message)
        if len(body) > _MAX_BYTES:
            message = f"Expected a correction of at most {_MAX_BYTES} bytes."
            raise Refusal(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "bytes", message)
        try:
            self._note(Correction.from_json(body), client)
        except UnknownAnswer as error:
            raise Refusal(HTTPStatus.NOT_FOUND, "answer", str(error)) from None
        except TooManyCorrections as error:
            raise Refusal(HTTPStatus.TOO_MANY_REQUESTS, "corrections", str(error), _DAY_SECONDS) from None
        except AnswersError as error:
            raise Refusal(HTTPStatus.BAD_REQUEST, "correction", str(error)) from None
        except (DatabaseError, OSError):
            message = "Expected the log of answers to be reachable. Received: an error. Try again later."
            raise Refusal(HTTPStatus.SERVICE_UNAVAILABLE, "log", message, _RETRY_SECONDS) from None
        metrics.corrections.inc()

    def _note(self, correction: Correction, client: str | None) -> None:
        with closing(Store(self._uri)) as store, store.writing() as connection:
            pseudonym = client and client_of(client, store.folder)
            correct(connection, correction, "client", pseudonym, self._settings.corrections)


def subject_of(headers: Mapping[bytes, bytes]) -> str | None:
    """The pseudonym of the person in the photo, where the client sends one.

    Raises:
        Refusal: it is too long, or holds other characters.
    """
    subject = headers.get(SUBJECT_HEADER)
    if subject is None:
        return None
    text = subject.decode("latin-1")
    if not _SUBJECT.fullmatch(text):
        message = "Expected X-Facesent-Subject of 1 to 64 letters, digits, dots, dashes and underscores."
        raise Refusal(HTTPStatus.BAD_REQUEST, "subject", message)
    return text


def client_address(scope: Mapping[str, Any]) -> str | None:
    """The address of who sends a request."""
    client = scope.get("client")
    return client and str(client[0])
