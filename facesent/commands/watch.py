"""``facesent watch``: whether the answers in service have changed."""

from pathlib import Path

import click

from facesent.commands.errors import reading
from facesent.core.paths import Project

_ALARM = 3


@click.command()
@click.option("--accept", is_flag=True, help="Accept the hours so far as the baseline.")
@click.option(
    "--to", "target", type=click.Path(path_type=Path, dir_okay=False), default=Project().watch_page,
    show_default=True, help="The page.",
)  # fmt: skip
@reading
def watch(accept: bool, target: Path) -> None:
    """Compare what the champion is asked now with a baseline: light, sharpness, certainty and labels, hour by hour.

    Needs the log of answers of facesent serve. Ends with status 3 during an alarm. The flow does the same every hour:
    python -m flows.watch

    \b
    Example: facesent watch --accept
    """
    from facesent.params import load_params
    from facesent.watch.watching import watching

    seen = watching(load_params(Project().params), target, accepting=accept)
    click.echo(seen.sentence)
    if seen.labels:
        click.echo(seen.labels.sentence)
    click.echo(f"Page: {target}")
    if seen.state == "alarm":
        raise SystemExit(_ALARM)
