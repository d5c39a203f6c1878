"""``facesent compare``: a commit beside this folder, on the terminal or on the page of a pull request."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from facesent.commands.errors import needing
from facesent.core.preflight import Needs

if TYPE_CHECKING:
    from facesent.core.paths import Project
    from facesent.lineage.compare import Compared, Measure


@click.command()
@click.argument("ref")
@click.option("--markdown", is_flag=True, help="With headings, for the page of a pull request.")
@needing(Needs.REPOSITORY)
def compare(ref: str, markdown: bool) -> None:
    """Show what differs between REF and this folder: settings and measures, and what the gate said last.

    REF is a branch, a tag or a commit. Its measures come from DVC's cache.

    \b
    Example: facesent compare main
    """
    from facesent.core.paths import Project
    from facesent.lineage.compare import compare

    project, heading = Project(), "### " if markdown else ""
    sections = _sections(project, compare(project, ref))
    click.echo("\n\n".join(f"{heading}{title}\n\n{text}" for title, text in sections))


def _sections(project: "Project", compared: "Compared") -> Iterator[tuple[str, str]]:
    from facesent.core.markdown import code, table

    ref = code(compared.ref)
    yield f"Compared with {ref}", _commits(compared)
    settings = [[code(change.key), change.preset, change.run] for change in compared.settings]
    yield "Settings", table(["setting", ref, "here"], settings) if settings else "The same."
    measures = table(["measure", ref, "here", "change"], map(_row, compared.measures)) if compared.measures else ""
    yield "Measures", f"{measures}\n\n{_same(compared.same)}".strip()
    yield "Verdict", _verdict(project)


def _same(count: int) -> str:
    return "1 measure is the same." if count == 1 else f"{count} measures are the same."


def _commits(compared: "Compared") -> str:
    from facesent.core.markdown import bullets, code, escaped

    commit, (head, changed) = compared.commit, compared.here
    lines = [
        f"{code(compared.ref)}: {commit.sha[:7]} {escaped(commit.subject or '')}",
        f"here: {head.sha[:7]} {escaped(head.subject or '')}{', with uncommitted changes' if changed else ''}",
    ]
    if compared.other_images:
        lines.append("The images differ (`data.dvc`): measures on other test images do not compare exactly.")
    if compared.stale:
        lines.append(f"Out of date here: {', '.join(compared.stale)}. Run `dvc repro` first for measures that count.")
    return bullets(lines)


def _row(measure: "Measure") -> list[object]:
    shown = ["" if value is None else value for value in (measure.before, measure.now)]
    known = measure.before is not None and measure.now is not None
    change = f"{measure.now - measure.before:+.4g}" if known else ""  # type: ignore[operator]
    return [measure.name, *shown, change]


def _verdict(project: "Project") -> str:
    from pydantic import ValidationError

    from facesent.promotion.verdict import Verdict

    if not project.verdict.is_file():
        return "The gate has not judged here yet: `facesent promote` asks it."
    try:
        return Verdict.from_json(project.verdict.read_text(encoding="utf-8")).to_markdown().strip()
    except ValidationError:
        return f"`{project.verdict}` is of another release: `facesent promote` writes it anew."
