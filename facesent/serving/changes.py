"""What `facesent serve` remembers of versions that took over, could not, or were given up."""

import time
from dataclasses import dataclass, field
from datetime import datetime

from facesent.serving.objections import Tallied

# A version that could not be loaded is tried again after so long, and then after twice as long each time.
_RETRY_SECONDS = 30.0
_MOST_RETRY_SECONDS = 600.0


@dataclass
class Failure:
    """A version that could not take over."""

    version: int
    why: str
    retry_seconds: float = _RETRY_SECONDS
    since: float = field(default_factory=time.monotonic)

    def due(self) -> bool:
        """Whether it is time to try it again."""
        return time.monotonic() - self.since > self.retry_seconds

    def again(self, why: str) -> "Failure":
        """The same after a further try."""
        return Failure(self.version, why, min(2 * self.retry_seconds, _MOST_RETRY_SECONDS))


@dataclass
class Probation:
    """A newer version that took over a while ago.

    Attributes:
        before: the version before it.
        tallied: of that one.
        until: so long something may speak against the newer one; as ``time.monotonic`` counts.
        since: it answers.
        audit_due: when the log is looked at next; as ``time.monotonic`` counts.
    """

    before: int
    tallied: Tallied
    until: float
    since: datetime
    audit_due: float = 0.0


@dataclass
class RolledBack:
    """A version that was given up; it is not wanted until its alias is set anew.

    Attributes:
        version: that was given up.
        to: the one that is served again.
        why: it was.
        alias: what came of moving the registry's alias.
        left: whether the alias was elsewhere since.
        not_moved: the last try to move the alias, if it failed; it is tried again.
    """

    version: int
    to: int
    why: str
    alias: str = ""
    left: bool = False
    not_moved: Failure | None = None

    def instead_of(self, named: int | None) -> int | None:
        """The version to serve where the alias names ``named``; None where nobody says.

        Args:
            named: None where the registry does not say.
        """
        if named is not None:
            self.left |= named != self.version
        # Until the alias was elsewhere, what was given up stays so, whatever the registry says.
        return named if self.left else self.to
