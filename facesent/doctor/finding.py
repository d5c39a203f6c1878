"""One thing that was looked at."""

from dataclasses import dataclass
from typing import Literal

from facesent.core.trouble import Trouble

State = Literal["ok", "note", "problem"]


@dataclass(frozen=True)
class Finding:
    """What was found, and what to do about it.

    Attributes:
        subject: what was looked at.
        state: ``note`` is for what is missing and not always needed.
        what: what was found.
        advice: what to do; empty where there is nothing to do.
    """

    subject: str
    state: State
    what: str
    advice: str = ""


def problem(found: Trouble) -> Finding:
    """What would also keep a command from its work."""
    return Finding(found.subject, "problem", found.what, found.advice)
