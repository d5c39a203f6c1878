"""What keeps the project from working here, and what to do about it, in one line."""

from collections.abc import Iterable
from dataclasses import dataclass

from facesent.core.errors import FacesentError


@dataclass(frozen=True)
class Trouble:
    """What keeps the project from working here.

    Attributes:
        subject: what was looked at.
        what: what was found.
        advice: what to do.
    """

    subject: str
    what: str
    advice: str

    def __str__(self) -> str:
        return f"{self.subject}: {self.what}. {self.advice}"


def refuse(found: Iterable[Trouble], error: type[FacesentError] = FacesentError) -> None:
    """Refuse to begin with the first of these.

    Args:
        found: what was looked at before.
        error: what to raise.

    Raises:
        FacesentError: with what it is and what to do.
    """
    for trouble in found:
        raise error(str(trouble))
