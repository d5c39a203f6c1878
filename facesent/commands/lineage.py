"""``facesent lineage`` and ``facesent reproduce``: where a model comes from, and whether it can be reproduced."""

import json
import sys
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

import click

from facesent.commands.errors import needing, reading
from facesent.core.preflight import EVERYTHING

if TYPE_CHECKING:
    from facesent.lineage.chain import Chain, Made
    from facesent.lineage.reproduce import Reproduction
    from facesent.registry.versions import Version

_SHOWN_CHANGES = 12
_SECONDS_TO_CLEAN_UP = 20.0


@click.command()
@click.argument("what", metavar="VERSION|RUN|COMMIT|ANSWER")
@click.option("--json", "as_json", is_flag=True, help="For programs.")
@reading
def lineage(what: str, as_json: bool) -> None:
    """Show where a served model comes from, or what came of a run or a commit.

    VERSION is a number or an alias such as champion; RUN and COMMIT may be shortened to four digits. For ANSWER,
    give - and the JSON of an answer, with the key version, on standard input.

    \b
    Example: facesent lineage champion
             facesent predict portrait.jpg --json | facesent lineage -
    """
    from facesent.core.paths import Project
    from facesent.lineage import chain
    from facesent.lineage.resolve import resolve

    root = Project().root
    traced = chain.trace(root, resolve(root, what, _stdin))
    if as_json:
        click.echo(json.dumps(traced.as_dict(), indent=1, ensure_ascii=False))
    elif isinstance(traced, chain.Made):
        _show_made(traced)
    else:
        for name, value in _rows(traced):
            click.echo(f"{name:<13} {value}")


def _stdin() -> str:
    # It may be a photo, which is told as what is no JSON.
    return sys.stdin.buffer.read().decode(errors="replace")


@click.command()
@click.argument("version", metavar="VERSION|ALIAS")
@needing(EVERYTHING)
def reproduce(version: str) -> None:
    """Train a version again from its commit, its settings and its images, and compare the weights.

    It works in a temporary folder with its own tracking store, so the project and its registry do not change. It
    takes as long as the training did, and ends with status 1 if the weights differ.

    \b
    Example: facesent reproduce champion
    """
    from facesent.core.lifeline import leave_time
    from facesent.core.paths import Project
    from facesent.lineage import reproduce

    # A worktree is to be taken back, which git does in its own time.
    leave_time(_SECONDS_TO_CLEAN_UP)
    result = reproduce.reproduce(Project(), version, click.echo)
    _show_reproduction(result)
    if not result.same:
        raise SystemExit(1)


def _rows(chain: "Chain") -> Iterator[tuple[str, str]]:
    from facesent.registry.lineage import DATA_TAG, FLOW_RUN_TAG, RECORDED_TAG
    from facesent.registry.runs import MODEL_TAG

    tags = chain.tags
    yield "version", ", ".join(map(_version, chain.versions)) or "none; facesent promote registers the current model"
    if chain.run:
        run = chain.run
        yield "run", f"{run.run_id} {run.name} ({run.status.lower()}, started {run.started:%Y-%m-%d %H:%M} UTC)"
    else:
        yield "run", f"{chain.versions[0].run_id}, which MLflow no longer has; the rest is from the version's tags"
    if RECORDED_TAG in tags:
        yield "", f"recorded {tags[RECORDED_TAG]}: commit and machine are from the time of recording"
    yield "flow run", tags.get(FLOW_RUN_TAG, "none: the stages ran outside a flow")
    yield "commit", _commit(chain)
    yield "changes", _changes(tags)
    yield "data", tags.get(DATA_TAG, "not tracked by DVC")
    for name, split in (chain.run.splits if chain.run else {}).items():
        yield f"split {name}", f"sha256 {split.sha256}… ({split.images} images)"
    yield from _settings(chain)
    yield "weights", f"sha256 {tags.get(MODEL_TAG, 'none: the training did not finish')}"
    for name in ("precision", "weights_sha256", "packages", "machine"):
        if name in tags:
            yield {"weights_sha256": "started from"}.get(name, name), tags[name]


def _version(version: "Version") -> str:
    from facesent.registry.versions import RETRAIN_TAG, VERDICT_TAG

    known = [*version.aliases, version.tags.get(VERDICT_TAG, "no verdict"), *({RETRAIN_TAG} & set(version.tags))]
    return f"{version.number} ({', '.join(known)}; registered {version.created:%Y-%m-%d %H:%M} UTC)"


def _commit(chain: "Chain") -> str:
    if chain.commit is None:
        return "none: trained outside a git repository"
    subject = chain.commit.subject
    return f"{chain.commit.sha} {subject if subject is not None else '(not in this repository)'}"


def _changes(tags: Mapping[str, str]) -> str:
    from facesent.registry.lineage import CHANGES_TAG, COMMIT_TAG, DIRTY_TAG, UNTRACKED_TAG

    untracked = f"; files not in git: {tags[UNTRACKED_TAG]}" if UNTRACKED_TAG in tags else ""
    if CHANGES_TAG in tags:
        return f"{tags[CHANGES_TAG]}{untracked}"
    if tags.get(DIRTY_TAG) == "true":
        return "uncommitted changes, which were not recorded"
    return "none" if COMMIT_TAG in tags else "unknown"


def _settings(chain: "Chain") -> Iterator[tuple[str, str]]:
    if chain.settings is None:
        yield (
            "params",
            "unknown" if chain.run is None else f"{len(chain.run.params)} settings, no preset to compare with",
        )
        return
    changes = chain.settings.changes
    yield "params", f"preset {chain.settings.preset}" + (f", {len(changes)} settings differ:" if changes else "")
    for change in changes[:_SHOWN_CHANGES]:
        yield "", f"{change.key}: {change.run} (preset: {change.preset})"
    if len(changes) > _SHOWN_CHANGES:
        yield "", f"and {len(changes) - _SHOWN_CHANGES} more; --json lists them"


def _show_made(made: "Made") -> None:
    from rich.console import Console
    from rich.table import Table

    commit = made.commit
    click.echo(f"commit {commit.sha} {commit.subject if commit.subject is not None else '(not in this repository)'}")
    if not made.chains:
        click.echo(f"No run was made at this commit. Next: git checkout {commit.sha[:10]}, then dvc repro")
        return
    table = Table("Run", "Name", "Status", "Started", "Changed since the commit", "Versions")
    for chain in made.chains:
        if run := chain.run:
            numbers = "\n".join(" ".join([str(version.number), *version.aliases]) for version in chain.versions)
            started = f"{run.started:%Y-%m-%d %H:%M}"
            table.add_row(run.run_id[:8], run.name, run.status.lower(), started, _changes(chain.tags), numbers)
    Console().print(table, markup=False)


def _show_reproduction(result: "Reproduction") -> None:
    if result.same:
        click.echo(f"SAME: version {result.version} was reproduced, sha256 {result.received}")
        return
    click.echo(f"DIFFERS: version {result.version}\n  was {result.expected}\n  is  {result.received}")
    if result.differences:
        click.echo("What differs upstream, in order:")
    for difference in result.differences:
        click.echo(f"  {difference.what}: was {difference.was}, is {difference.now}")
    if not result.differences:
        click.echo("Nothing else that was recorded differs.")
    if result.unrecorded:
        click.echo(f"Not compared, because the version does not record it: {', '.join(result.unrecorded)}.")
    for doubt in result.doubts:
        click.echo(doubt)
