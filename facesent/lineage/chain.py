"""The chain from a served version to the data and settings behind it, and from a commit to what was made at it."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from facesent.lineage.git import Commit, commit_with_hash, presets_at
from facesent.presets import Settings, nearest_preset
from facesent.registry.history import RunRecord, run_with_id, runs_at_commit
from facesent.registry.lineage import COMMIT_TAG
from facesent.registry.versions import Version, all_versions


@dataclass(frozen=True)
class Chain:
    """What leads back from one run, and what came of it.

    Attributes:
        versions: that hold the run's model, the newest first; of a version's chain it alone.
        run: None if MLflow no longer has it.
        tags: of the run, or of the version that outlived it.
        commit: None where the run was made outside of a repository.
        settings: None where the run has none, or there are no presets.
    """

    versions: tuple[Version, ...]
    run: RunRecord | None
    tags: Mapping[str, str]
    commit: Commit | None
    settings: Settings | None

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        plain: dict[str, Any] = _plain(asdict(self))
        return plain


@dataclass(frozen=True)
class Made:
    """What was made at a commit: its runs, the newest first, with their versions."""

    commit: Commit
    chains: tuple[Chain, ...]

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {"commit": _plain(asdict(self.commit)), "made": [chain.as_dict() for chain in self.chains]}


def trace(root: Path, asked: Version | RunRecord | Commit) -> Chain | Made:
    """Follow the lineage of a version or a run back, or that of a commit forth.

    Args:
        root: the project's.
        asked: where to start.

    Raises:
        TrackingError: if MLflow cannot be reached.
    """
    if isinstance(asked, Version):
        return _chain(root, (asked,), run_with_id(asked.run_id))
    known = all_versions()
    if isinstance(asked, RunRecord):
        return _chain(root, _versions_of(asked, known), asked)
    runs = runs_at_commit(asked.sha)
    return Made(asked, tuple(_chain(root, _versions_of(run, known), run) for run in runs))


def _chain(root: Path, made: tuple[Version, ...], run: RunRecord | None) -> Chain:
    tags = run.tags if run else made[0].tags
    sha = tags.get(COMMIT_TAG)
    return Chain(
        versions=made,
        run=run,
        tags=tags,
        commit=commit_with_hash(root, sha) if sha else None,
        settings=nearest_preset(run.params if run else {}, presets_at(root, sha)),
    )


def _versions_of(run: RunRecord, known: list[Version]) -> tuple[Version, ...]:
    return tuple(version for version in known if version.run_id == run.run_id)


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _plain(entry) for name, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(entry) for entry in value]
    return value.isoformat() if isinstance(value, datetime) else value
