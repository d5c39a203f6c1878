"""``facesent feedback``: what people say of answers in service, and what its owner makes of it."""

from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING

import click

from facesent.commands.errors import reading
from facesent.core.paths import Project

if TYPE_CHECKING:
    from facesent.evaluation.intervals import Estimate
    from facesent.params import Params

_SHOWN_DIGITS = 8


class _Feedback(click.Group):
    """A group whose first word may also be the id of an answer."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in self.commands and not args[0].startswith("-"):
            return correct.name, correct, args
        return super().resolve_command(ctx, args)


@click.group(cls=_Feedback, invoke_without_command=True, subcommand_metavar="[ID LABEL | COMMAND]")
@click.pass_context
def feedback(context: click.Context) -> None:
    """Correct an answer, decide on corrections, and see the accuracy of versions in service.

    ID is the value of the server's header X-Facesent-Id, or its start. Without arguments, it lists corrections.

    \b
    Example: facesent feedback 9f86d081 Happy --note "laughs" && facesent feedback accept --all
    """
    if context.invoked_subcommand is None:
        _list()


@reading
def _list() -> None:
    from rich.console import Console
    from rich.table import Column, Table

    from facesent.serving.answers.corrections import waiting
    from facesent.serving.answers.log import opened

    with opened(_params().log) as store:
        found = waiting(store)
    if not found:
        click.echo("No corrections are waiting.")
        return
    columns = (
        "No.",
        Column("Answer", no_wrap=True),
        "When",
        "Version",
        "Answered",
        "Corrected to",
        "By",
        "Note",
        "Photo",
    )
    table = Table(*columns, title="Corrections")
    for one in found:
        when = f"{one.time.astimezone():%Y-%m-%d %H:%M}"
        photo = "kept" if one.photo else ""
        said = (one.answered, one.label, one.source, one.note or "", photo)
        table.add_row(str(one.number), one.answer_id[:_SHOWN_DIGITS], when, str(one.version), *said)
    Console().print(table, markup=False)
    number = found[0].number
    click.echo(f"Next: facesent feedback accept {number} (or --all), or facesent feedback reject {number}")


@click.command("correct", hidden=True)
@click.argument("id_", metavar="ID")
@click.argument("label")
@click.option("--note", help="A note of one line for whoever decides.")
@reading
def correct(id_: str, label: str, note: str | None) -> None:
    """Correct the label of an answer; the correction waits until it is accepted.

    \b
    Example: facesent feedback 9f86d081 Happy
    """
    from facesent.serving.answers.corrections import full_id
    from facesent.serving.answers.log import opened
    from facesent.serving.gateway.answers.correcting import Correction
    from facesent.serving.gateway.answers.correcting import correct as note_correction

    with opened(_params().log) as store:
        correction = Correction(full_id(store, id_), label, note)
        with store.writing() as connection:
            number = note_correction(connection, correction, "cli")
    click.echo(f"Correction {number} is waiting. Next: facesent feedback accept {number}")


@feedback.command()
@click.argument("numbers", metavar="[NO.]...", type=int, nargs=-1)
@click.option("--all", "all_", is_flag=True, help="All waiting corrections.")
@click.option(
    "--output", type=click.Path(path_type=Path, file_okay=False), default=Project().feedback, show_default=True,
    help="Folder for the photos of accepted corrections.",
)  # fmt: skip
@reading
def accept(numbers: tuple[int, ...], all_: bool, output: Path) -> None:
    """Accept corrections, and copy the photos that were kept into a folder for `facesent data add`.

    All photos of a person, or of a client on one day if no person is named, form one group there.

    \b
    Example: facesent feedback accept 3 5
    """
    from facesent.serving.answers import corrections
    from facesent.serving.answers.log import opened
    from facesent.serving.answers.photos import take_photos

    with opened(_params().log) as store:
        chosen = corrections.accept(store, _chosen(numbers, all_), before=lambda found: take_photos(found, output))
    click.echo(f"Accepted {len(chosen)}.")
    if any(found.photo for found in chosen):
        click.echo(f"Their photos are in {output}.{_add(output)}")


@feedback.command()
@click.argument("numbers", metavar="[NO.]...", type=int, nargs=-1)
@click.option("--all", "all_", is_flag=True, help="All waiting corrections.")
@reading
def reject(numbers: tuple[int, ...], all_: bool) -> None:
    """Reject corrections.

    \b
    Example: facesent feedback reject 4
    """
    from facesent.serving.answers import corrections
    from facesent.serving.answers.log import opened

    with opened(_params().log) as store:
        click.echo(f"Rejected {len(corrections.reject(store, _chosen(numbers, all_)))}.")


@feedback.command()
@reading
def audit() -> None:
    """List randomly chosen answers for you to label; label all of them, including the correct ones.

    \b
    Example: facesent feedback audit
    """
    from facesent.serving.answers.corrections import to_audit
    from facesent.serving.answers.log import opened

    with opened(_params().log) as store:
        found = to_audit(store)
    for one in found:
        photo = f"  {one.photo}" if one.photo else ""
        click.echo(f"{one.id}  {one.time.astimezone():%Y-%m-%d %H:%M}  version {one.version}  {one.label}{photo}")
    click.echo(f"{len(found)} to label: facesent feedback ID LABEL" if found else "Nothing to label.")


@feedback.command()
@reading
def report() -> None:
    """Show the accuracy of each version in service, from the audit.

    If facesent watch found a change for a version, the accuracy that its confidence suggests is not shown.

    \b
    Example: facesent feedback report
    """
    from rich.console import Console
    from rich.table import Table

    from facesent.serving.answers.accuracy import SOURCE, in_service
    from facesent.serving.answers.log import opened

    params = _params()
    with opened(params.log) as store:
        found = in_service(store, params.evaluate.confidence_level)
    if not found:
        click.echo("The log has no answers.")
        return
    table = Table("Version", "Answers", "If nothing changed", "Accuracy", "Audited", "Corrected", title="In service")
    for one in found:
        labelled = one.accuracy.images if one.accuracy else 0
        shares = (_share(one.expected), _share(one.accuracy), f"{labelled} of {one.marked}")
        table.add_row(str(one.version), str(one.answers), *shares, str(one.corrections))
    Console().print(table, markup=False)
    click.echo(f"If nothing changed: {SOURCE}. Accuracy: on the audited answers that have an accepted label.")


def _share(estimate: "Estimate | None") -> str:
    return f"{estimate.value:.0%} ({estimate.low:.0%} to {estimate.high:.0%})" if estimate else "–"


def _add(photos: Path) -> str:
    """The next commands, where there are images to add them to."""
    from facesent.dataset.files import describe

    folder = quote(str(photos))
    if not describe(Project().data).images:
        return ""
    return f" Next: facesent data add {folder}, then rm -r {folder}. During an alarm the flow facesent-watch adds them"


def _chosen(numbers: tuple[int, ...], all_: bool) -> tuple[int, ...] | None:
    if bool(numbers) == all_:
        raise click.UsageError("Expected the numbers of corrections, or --all. See: facesent feedback")
    return None if all_ else numbers


def _params() -> "Params":
    from facesent.params import load_params

    return load_params(Project().params)
