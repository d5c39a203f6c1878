"""From a version to the hash of the weights that its commit, settings and images give now."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from facesent.core.files import sha256
from facesent.core.nested import flatten, with_values
from facesent.core.paths import Project
from facesent.core.programs import Log, child_environment, dvc, run
from facesent.lineage.git import ReproductionError, apply, worktree
from facesent.lineage.images import provide, share_cache
from facesent.model.storage import model_sha256
from facesent.presets import differences as settings_that_differ
from facesent.presets import literal
from facesent.registry import artifacts
from facesent.registry.history import RunRecord, run_with_id, runs_in
from facesent.registry.lineage import (
    CHANGES_TAG,
    COMMIT_TAG,
    DATA_TAG,
    DIRTY_TAG,
    NO_CHANGES,
    RECORDED_TAG,
    UNTRACKED_TAG,
)
from facesent.registry.runs import MODEL_TAG, read_bytes
from facesent.registry.versions import Version, version_named

_STAGE = "train"
# Its keys have dots in them, and no stage reads it.
_LEFT_ALONE = "sweep.space."

# What would lead a command out of its folder: another repository, stage, store or flow.
_FOREIGN = ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "DVC_ROOT", "DVC_STAGE", "DVC_EXP_", "MLFLOW_", "FACESENT_")
_COMMIT_FIRST = "Commit everything, then train and register it again: dvc repro --force && facesent promote"
# Upstream of the weights; the tags in the order in which they come to bear.
_SPLITS = ("train", "val")
_SECTIONS = ("validate.", "split.", "model.", "train.")
_TAGS = {
    "weights_sha256": "pretrained weights",
    "backend": "Keras backend",
    "precision": "precision",
    "packages": "packages",
    "machine": "machine",
}


@dataclass(frozen=True)
class Mismatch:
    """One thing that was otherwise."""

    what: str
    was: str
    now: str


@dataclass(frozen=True)
class Reproduction:
    """A second training held against the first.

    Attributes:
        version: the registered one.
        expected: SHA-256 of its weights and labels.
        received: of those that came out now.
        differences: upstream of the weights, the first first; empty where they are the same.
        unrecorded: what could not be compared, since it was not recorded with the version.
        doubts: why what was trained now may not be what was trained then, a sentence each.
    """

    version: int
    expected: str
    received: str
    differences: tuple[Mismatch, ...] = ()
    unrecorded: tuple[str, ...] = ()
    doubts: tuple[str, ...] = ()

    @property
    def same(self) -> bool:
        """Whether the same weights and labels came out."""
        return self.expected == self.received


def reproduce(project: Project, name: str, report: Log) -> Reproduction:
    """Train a version again in a temporary checkout of its commit, and compare the weights.

    The stages run whatever DVC has cached; nothing is written to the project, to DVC's run cache or to its registry.

    Args:
        project: in whose repository the version was trained.
        name: number or alias of the version.
        report: receives each line that the stages print.

    Raises:
        RegistryError: there is no such version.
        ReproductionError: the commit, the changes made to it or the images cannot be had.
        ProgramError: a stage fails.
    """
    version = version_named(name)
    record = run_with_id(version.run_id)
    if record is None:
        raise ReproductionError(
            f"Expected the run of version {version.number} in MLflow. Received: {version.run_id} is gone"
        )
    commit, patch = _code(record)
    images = _images(record)
    assignment = read_bytes(record.run_id, artifacts.ASSIGNMENT)
    with worktree(project.root, commit) as tree:
        report(f"version {version.number}: commit {commit} in {tree.project}")
        if patch:
            report(f"with the changes of {record.tags[CHANGES_TAG]}")
            apply(tree, patch)
        copy, store = Project(tree.project), f"sqlite:///{tree.scratch / 'mlflow.db'}"
        env = _environment(copy.root, store)
        _restore(copy, record, assignment)
        share_cache(project, copy)
        provide(copy, images, env, report)
        _link_named_files(project, copy)
        _train(copy, env, report)
        return _compare(version, record, copy, store, has_assignment=assignment is not None)


def _code(record: RunRecord) -> tuple[str, bytes | None]:
    """The commit, and the changes made to it since; None for none."""
    tags = record.tags
    commit, changed = tags.get(COMMIT_TAG), tags.get(CHANGES_TAG)
    if commit is None:
        raise ReproductionError(f"Expected a version trained at a commit. Received: none recorded. {_COMMIT_FIRST}")
    if untracked := tags.get(UNTRACKED_TAG):
        raise ReproductionError(
            f"Expected a version trained from files in git. Received: {untracked}, not in git. {_COMMIT_FIRST}"
        )
    if changed is None and tags.get(DIRTY_TAG) == "true":
        raise ReproductionError(
            f"Expected a version trained from a commit. Received: {commit} with uncommitted changes, which were not "
            f"recorded. {_COMMIT_FIRST}"
        )
    if changed in (None, NO_CHANGES):
        return commit, None
    patch = read_bytes(record.run_id, artifacts.CHANGES)
    if patch is None:
        raise ReproductionError(
            f"Expected the changes to {changed} among the artifacts of run {record.run_id}. Received: none, as for "
            f"changes over 1 MB. {_COMMIT_FIRST}"
        )
    return commit, patch


def _images(record: RunRecord) -> str:
    if data_md5 := record.tags.get(DATA_TAG):
        return data_md5
    raise ReproductionError(
        "Expected images that DVC tracks. Received: a version without their hash. Run: dvc add data"
    )


def _restore(copy: Project, record: RunRecord, assignment: bytes | None) -> None:
    """Put settings and splits, which nobody need have committed by then, into a checkout."""
    committed = copy.params.read_text(encoding="utf-8") if copy.params.is_file() else ""
    copy.params.write_text(restored(committed, record.params), encoding="utf-8")
    if assignment is not None:
        copy.assignment.write_bytes(assignment)


def restored(committed: str, params: Mapping[str, str]) -> str:
    """The settings of a run in the form of its commit's file.

    Args:
        committed: ``params.yaml`` as the commit has it; empty where it has none.
        params: of the run, ``section.key`` to value as text.
    """
    sections: dict[str, Any] = yaml.safe_load(committed) or {}
    before = flatten(sections)
    values = {
        # A hash of digits alone stays text.
        key: text if isinstance(before.get(key), str) else literal(text)
        for key, text in params.items()
        if not key.startswith(_LEFT_ALONE)
    }
    return yaml.safe_dump(with_values(sections, values), sort_keys=False, allow_unicode=True)


def _link_named_files(project: Project, copy: Project) -> None:
    """Weights, which git ignores, and soft targets, which may have been committed after the training."""
    for file, digest in _named_files(yaml.safe_load(copy.params.read_text(encoding="utf-8"))):
        source, target = project.root / file, copy.root / file
        if file.is_absolute() or not source.is_file() or (target.is_file() and sha256(target) == digest):
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        target.unlink(missing_ok=True)
        target.symlink_to(source.absolute())


def _named_files(settings: Mapping[str, Any]) -> Iterator[tuple[Path, str]]:
    """The files that the settings of a training name, and their hashes, with which the stage compares them."""
    model, learned = settings.get("model", {}), settings.get("train", {}).get("distillation") or {}
    named = [(section, "weights") for section in (model, *(model.get("others") or ()))] + [(learned, "soft_targets")]
    for section, key in named:
        yield Path(str(section.get(key, "none"))), str(section.get(f"{key}_sha256", ""))


def _environment(project: Path, store: str) -> dict[str, str]:
    """Variables for programs that use the code in ``project``, and MLflow's tracking store at ``store``."""
    own = {"PYTHONPATH": str(project), "MLFLOW_TRACKING_URI": store, "MLFLOW_DISABLE_TELEMETRY": "true"}
    return child_environment(own, without=_FOREIGN)


def _train(copy: Project, env: Mapping[str, str], report: Log) -> None:
    # Not committed: other weights under the same hashes in DVC's run cache would turn up in the project one day.
    run(dvc("repro", "--force", "--no-run-cache", "--no-commit", _STAGE), copy.root, env, report)


def _compare(version: Version, record: RunRecord, copy: Project, store: str, *, has_assignment: bool) -> Reproduction:
    expected, received = version.tags.get(MODEL_TAG, ""), model_sha256(copy.model, copy.labels)
    if expected == received:
        return Reproduction(version.number, expected, received)
    # Code of another release may not have written a run.
    again = next(iter(runs_in(store)), None)
    if again is None:
        return Reproduction(version.number, expected, received)
    found = differences(record, again)
    doubted = doubts(record, found, has_assignment=has_assignment)
    return Reproduction(version.number, expected, received, found, unrecorded(record, again), doubted)


def differences(before: RunRecord, now: RunRecord) -> tuple[Mismatch, ...]:
    """What both runs recorded and what differs: images, splits, settings, libraries, machine, in this order."""
    pairs = _upstream(before, now)
    return tuple(Mismatch(what, was, then) for what, was, then in pairs if was and then and was != then)


def unrecorded(before: RunRecord, now: RunRecord) -> tuple[str, ...]:
    """What only the second run recorded, so that it cannot be compared."""
    return tuple(what for what, was, then in _upstream(before, now) if then and not was)


def doubts(before: RunRecord, found: Sequence[Mismatch], *, has_assignment: bool) -> tuple[str, ...]:
    """Why what was trained now may not be what was trained then, whatever differs.

    Args:
        before: the run of the version.
        found: what differs.
        has_assignment: whether the run keeps ``assignment.csv``; those of earlier releases do not.
    """
    said = []
    if RECORDED_TAG in before.tags:
        said.append("The version was recorded after its training: its commit is that of the recording.")
    if not has_assignment and {_split_name(name) for name in _SPLITS} & {each.what for each in found}:
        said.append(
            "The version does not record its splits: they were made from assignment.csv as the commit has it, which "
            "may be that of an earlier training."
        )
    return tuple(said)


def _upstream(before: RunRecord, now: RunRecord) -> Iterator[tuple[str, str, str]]:
    yield "data", before.tags.get(DATA_TAG, ""), now.tags.get(DATA_TAG, "")
    for name in _SPLITS:
        yield _split_name(name), _split(before, name), _split(now, name)
    for change in settings_that_differ(before.params, now.params):
        if change.key.startswith(_SECTIONS):
            yield change.key, change.preset or "not set", change.run or "not set"
    # They are of what wrote the run, which trained nothing where it came afterwards.
    known = {} if RECORDED_TAG in before.tags else before.tags
    for tag, what in _TAGS.items():
        yield what, known.get(tag, ""), now.tags.get(tag, "")


def _split_name(name: str) -> str:
    return f"split {name}"


def _split(run: RunRecord, name: str) -> str:
    split = run.splits.get(name)
    return f"sha256 {split.sha256}… ({split.images} images)" if split else ""
