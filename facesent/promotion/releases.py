"""The registry as `facesent serve` needs it, with the log of answers."""

from datetime import datetime
from pathlib import Path

from facesent.evaluation.intervals import Estimate
from facesent.params import Params
from facesent.promotion.aliases import check_remembers_nobody, rollback
from facesent.registry.versions import CHAMPION, RegistryError, fetch, get, number_named
from facesent.serving.answers.accuracy import audited_since
from facesent.serving.answers.log import opened
from facesent.serving.questions import questions_of
from facesent.serving.releases import Release


class RegistryReleases:
    """``Releases`` of the registry.

    Args:
        named: the version to serve, by its number or an alias; None for the champion.
        params: sections ``log`` and ``evaluate`` count.
    """

    def __init__(self, named: str | None, params: Params) -> None:
        self._named, self._params = named, params

    def wanted(self) -> int:
        """The number of the version that is named so now."""
        return number_named(self._named)

    def fetch(self, version: int, folder: Path) -> Release:
        """Get a version, and what it answered when it was tried."""
        return Release(fetch(version, folder), questions_of(version))

    def audited(self, version: int, since: datetime) -> Estimate | None:
        """How often a version was right since a moment, by the audit; None where nothing is known."""
        if not self._params.log.enabled:
            return None
        with opened(self._params.log) as store:
            return audited_since(store, version, since, self._params.evaluate.confidence_level)

    def objection_to(self, version: int) -> str:
        """Why the registry would not name a version again, as a sentence; nothing where it would."""
        try:
            check_remembers_nobody(get(version))
        except RegistryError as error:
            return str(error)
        return ""

    def roll_back(self, version: int, to: int, why: str) -> None:
        """Make ``to`` the champion again, if ``version`` still is; no other alias is moved.

        Raises:
            RegistryError: another alias, or a number, is served.
        """
        if self._named not in (None, CHAMPION):
            raise RegistryError(f"Expected the alias {CHAMPION}, to move it. Received: {self._named}. Move it by hand.")
        rollback(to, by="facesent serve", why=why, instead_of=version)
