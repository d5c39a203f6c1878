"""What is installed, configured and reachable, and what to do about the rest."""

from collections.abc import Iterator

from facesent.core.paths import Project
from facesent.doctor import configured, installed, reachable
from facesent.doctor.finding import Finding


def examine(project: Project) -> Iterator[Finding]:
    """All findings, each as soon as it is known: what an import depends on comes first."""
    yield from installed.findings()
    yield from configured.findings(project)
    yield from reachable.findings(project)
