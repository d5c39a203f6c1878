"""The log of answers, opened for a command or the app."""

from collections.abc import Iterator
from contextlib import closing, contextmanager

from sqlalchemy.exc import DatabaseError

from facesent.core.errors import FacesentError
from facesent.serving.gateway.answers.store import AnswersError, Store, address, reason
from facesent.serving.gateway.settings import LogSettings
from facesent.serving.settings import Log


class LogError(FacesentError):
    """The log cannot be used, or does not hold what was asked for."""


def kept(log: Log) -> LogSettings | None:
    """What a server's process is told to keep; None for nothing."""
    return LogSettings(**log.model_dump(exclude={"enabled"})) if log.enabled else None


class UnreachableError(LogError):
    """The log's database does not answer now."""


@contextmanager
def opened(log: Log) -> Iterator[Store]:
    """The log, without what is older than it is to be kept.

    Raises:
        UnreachableError: it cannot be reached.
        LogError: it cannot be used, or the block asked for what is not in it.
    """
    try:
        with closing(Store(address())) as store:
            store.forget_older(log.keep_days)
            yield store
    except AnswersError as error:
        raise LogError(str(error)) from None
    except DatabaseError as error:
        raise UnreachableError(f"Expected the log of answers to be reachable. Received: {reason(error)}") from None
