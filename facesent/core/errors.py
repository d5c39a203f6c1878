"""What a person can put right: shown as one message, without a traceback."""

import errno
import os
import re
import shutil
import sqlite3

_NUMBER = re.compile(r"\[Errno (\d+)\]")
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
# What is said of a disk or a network drive that is not there any more.
DISK_AWAY = {
    errno.ESTALE, errno.ENODEV, errno.ENXIO, errno.ENOTCONN, errno.ETIMEDOUT, errno.EHOSTDOWN, errno.EHOSTUNREACH,
}  # fmt: skip
# A disk that is full, broken, away or somebody else's.
_OF_A_DISK = {*_FULL, *DISK_AWAY, errno.EIO, errno.EROFS, errno.EACCES, errno.EPERM}


class FacesentError(Exception):
    """Says what was expected, what was received and what to do."""


def _first(error: BaseException) -> BaseException:
    """Of what ``shutil.copytree`` collects, which are a line a file and words alone, the first one."""
    if isinstance(error, shutil.Error) and isinstance(told := error.args[0], list):
        _, file, said = told[0]
        if number := _NUMBER.match(str(said)):
            return OSError(int(number[1]), os.strerror(int(number[1])), str(file))
    return error


def in_words(error: OSError) -> str:
    """What the system refused, and of which file."""
    return f"{error.strerror or error}" + (f": {error.filename}" if error.filename else "")


def to_put_right(error: BaseException) -> str | None:
    """What a person can put right, also a full disk, in words; None for a fault of the program."""
    match error := _first(error):
        case FacesentError() | sqlite3.OperationalError():
            return str(error)
        case OSError() if error.errno in _OF_A_DISK:
            return in_words(error)
        case _:
            return None


def in_a_line(error: BaseException) -> str | None:
    """The same for a command, and whatever else the system refused; None for a fault of the program."""
    if not isinstance(error := _first(error), OSError):
        return to_put_right(error)
    advice = "Free disk space, then run it again." if error.errno in _FULL else ""
    return f"{in_words(error)}. {advice}" if advice else in_words(error)


class TemporaryError(FacesentError):
    """What was asked for may work later, without anybody changing it."""


class TrackingError(TemporaryError):
    """MLflow cannot be reached or refuses what it is given."""


class DataError(FacesentError):
    """The message says what was expected, what was received and what to do."""
