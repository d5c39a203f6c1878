"""What ``facesent serve`` gets from the registry, and may ask it for."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from facesent.evaluation.intervals import Estimate
from facesent.serving.questions import Questions


@dataclass(frozen=True)
class Release:
    """A version as this server's processes load it.

    Attributes:
        folder: its files.
        questions: what it has to answer before clients are let in.
    """

    folder: Path
    questions: Questions


@dataclass(frozen=True)
class Registry:
    """The registry, and the log of answers; all may take a while and raise ``FacesentError``.

    Attributes:
        wanted: the number of the version to serve now.
        fetch: gets a version into an empty folder.
        audited: how often a version was right since a moment; None where nothing is known.
        roll_back: moves the alias from a version to another one, and writes down why.
    """

    wanted: Callable[[], int]
    fetch: Callable[[int, Path], Release]
    audited: Callable[[int, datetime], Estimate | None]
    roll_back: Callable[[int, int, str], None]
