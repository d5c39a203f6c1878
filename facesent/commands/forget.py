"""``facesent forget``: a person's images, removed from everywhere."""

from typing import TYPE_CHECKING

import click

from facesent.commands.contents import scanned
from facesent.commands.errors import needing
from facesent.core.preflight import Needs

if TYPE_CHECKING:
    from facesent.core.errors import DataError
    from facesent.core.paths import Project
    from facesent.forgetting.person import Person
    from facesent.forgetting.search import Found, Request

_SHOWN = 20
_DIGITS = 8


@click.command()
@click.argument("group", required=False)
@click.option(
    "--subject", "subjects", metavar="ID", multiple=True, help="An X-Facesent-Subject: answers, and images from them."
)
@click.option("--answer", "answers", metavar="ID", multiple=True, help="An answer of the log; may be repeated.")
@click.option("--also", metavar="FILE", multiple=True, help="An image filed elsewhere that shows the person too.")
@click.option("--others-stay", is_flag=True, help="Images that look alike, and are not named, show somebody else.")
@click.option("--dry-run", is_flag=True, help="List what would be removed, and what looks like it.")
@click.option("--purge-history", is_flag=True, help="Remove DVC's lists of the hashes of earlier commits too.")
@needing(Needs.REPOSITORY | Needs.INDEX)
def forget(
    group: str | None, subjects: tuple[str, ...], answers: tuple[str, ...], also: tuple[str, ...], others_stay: bool,
    dry_run: bool, purge_history: bool,
) -> None:  # fmt: skip
    """Remove the images of the person GROUP, as data/metadata.csv calls them, and all that shows them.

    They are removed from data/ and from DVC's cache and remotes, earlier commits included; with them go thumbnails and
    sheets in outputs/ and in MLflow, cached data, and answers in the log. There is no way back. Versions that were
    trained on them become retrain-required: they can no longer be promoted or rolled back to. forgotten.csv records
    when, how many images and which versions, but not who. If it is interrupted, run facesent forget again to go on.

    Other clones, exports and backups are not reached. A model keeps traces of what it was trained on until it is
    trained again.

    \b
    Example: facesent forget person-12 --dry-run
             facesent forget person-12 --also Happy/0815.jpg --others-stay
             facesent forget --subject 4711
    """
    from facesent.core.files import images_in_use
    from facesent.core.paths import Project
    from facesent.forgetting.answers import full_ids
    from facesent.forgetting.person import kept
    from facesent.forgetting.search import Request
    from facesent.sources.store import alone

    project = Project()
    left = kept(project.root)
    answers = full_ids(project, answers, left.answers if left else ())
    named = [f"subject-{one}" for one in subjects] + [f"answer-{one}" for one in answers]
    request = Request((*filter(None, [group]), *named), also, answers, subjects, purge_history)
    if dry_run:
        if not left:
            _check_named(request)
        with images_in_use(project.data):
            found = _found(project, request)
            if found.nothing and not left:
                raise _nobody(request)
            _show(project, found)
            if left:
                click.echo("An earlier one was interrupted: the next call without --dry-run goes on with it.")
        click.echo("Dry run: nothing was changed.")
        return
    with alone(project.data):
        left = kept(project.root)
        if left:
            click.echo("Going on with what was interrupted.")
            _carry_out(project, left)
        if not left or request.groups or also:
            _forget(project, request, others_stay=others_stay, again=bool(left))


def _forget(project: "Project", request: "Request", *, others_stay: bool, again: bool) -> None:
    from facesent.core.errors import DataError
    from facesent.core.text import some
    from facesent.forgetting.person import keep

    _check_named(request)
    found = _found(project, request)
    if found.nothing:
        if again:
            return
        raise _nobody(request)
    _show(project, found)
    if found.alike and not others_stay:
        raise DataError(
            f"Expected to know whether images that look alike show the person too. Received: {some(found.alike)}. Name "
            "those that do with --also FILE, and say --others-stay of all others. Nothing was changed."
        )
    _carry_out(project, keep(project.root, found.person))


def _check_named(request: "Request") -> None:
    if not request.groups and not request.also:
        raise click.UsageError("Expected a GROUP of data/metadata.csv, --also, --subject or --answer. Received: none.")


def _nobody(request: "Request") -> "DataError":
    from facesent.core.errors import DataError
    from facesent.core.text import some

    return DataError(
        f"Expected images or answers of {some(request.groups)}. Received: none in data/, in DVC's cache and remotes, "
        "nor in the log. Its name is in the column group of data/metadata.csv."
    )


def _found(project: "Project", request: "Request") -> "Found":
    import pandas as pd

    from facesent.dataset.files import describe
    from facesent.dataset.manifest import COLUMNS
    from facesent.forgetting.search import search
    from facesent.params import load_params

    params = load_params(project.params)
    if describe(project.data).images:
        manifest = scanned(project.data, params.validate_.max_pixels)
    else:
        manifest = pd.DataFrame(columns=list(COLUMNS), dtype=str)
    return search(project, request, manifest, params)


def _show(project: "Project", found: "Found") -> None:
    from facesent.forgetting.steps import soft_targets_of

    for title, names in (
        ("Images in data/", found.files), ("Images of earlier commits", found.earlier),
        ("Look alike, and filed elsewhere", found.alike),
    ):  # fmt: skip
        if names:
            click.echo(f"{title}: {len(names)}")
            for name in names[:_SHOWN]:
                click.echo(f"  {name}")
            if len(names) > _SHOWN:
                click.echo(f"  and {len(names) - _SHOWN} more")
    if found.person.lost:
        click.echo(f"Images that are gone, of which there may be traces: {len(found.person.lost)}")
    if found.answers:
        click.echo(f"Answers in the log: {found.answers}")
    for what, known in (("Runs", [run[:_DIGITS] for run in found.trained.runs]), ("Versions", found.trained.versions)):
        click.echo(f"{what} that were trained on them, or do not say on what: {', '.join(map(str, known)) or 'none'}")
    if learned := soft_targets_of(project, found.person.has):
        click.echo(f"Soft targets whose teachers learned from them: {', '.join(path.name for path in learned)}")
    if found.commits:
        named = found.commits if found.person.purge_history else found.commits[:_SHOWN]
        more = f" and {len(found.commits) - len(named)} earlier ones" if len(named) < len(found.commits) else ""
        click.echo(f"Commits that `dvc checkout` cannot restore afterwards: {', '.join(named)}{more}")


def _carry_out(project: "Project", person: "Person") -> None:
    from facesent.forgetting.steps import forget as do_all
    from facesent.forgetting.steps import soft_targets_named

    finished = do_all(project, person, click.echo)
    named = soft_targets_named(project)
    click.echo("Next: git add forgotten.csv && git commit -a, then dvc repro && facesent promote, and dvc push.")
    if named and not named.is_file():
        teach = "dvc repro split && python -m flows.distillation --apply"
        click.echo(f"Before dvc repro, train teachers for new soft targets: {teach}")
    if finished.versions:
        click.echo("A champion that is retrain-required serves until another version is promoted.")
