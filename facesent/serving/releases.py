"""What ``facesent serve`` gets from the registry, and may ask it for."""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Protocol

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


class Releases(Protocol):
    """The registry, and the log of answers; all may take a while and raise ``FacesentError``."""

    def wanted(self) -> int:
        """The number of the version to serve now."""

    def fetch(self, version: int, folder: Path) -> Release:
        """Get a version into an empty folder."""

    def audited(self, version: int, since: datetime) -> Estimate | None:
        """How often a version was right since a moment; None where nothing is known."""

    def objection_to(self, version: int) -> str:
        """Why a version may not be served again, as a sentence; nothing where it may."""

    def roll_back(self, version: int, to: int, why: str) -> None:
        """Move the alias from a version to another one, and write down why."""
