"""``facesent preset``: write ``params.yaml`` from a named preset."""

from pathlib import Path

import click

from facesent.commands import next_steps
from facesent.commands.errors import reading
from facesent.core.paths import Project


def _known(context: click.Context, parameter: click.Parameter, typed: str) -> list[str]:
    return sorted(file.stem for file in Project().presets.glob("[!.]*.yaml") if file.stem.startswith(typed))


@click.command()
@click.argument("name", required=False, shell_complete=_known)
@reading
def preset(name: str | None) -> None:
    """Write params.yaml as presets/NAME.yaml says; without NAME, list the presets.

    presets/quick.yaml holds every key, the others what differs from it.

    \b
    Example: facesent preset reference && dvc repro
    """
    from facesent import presets

    if name is None:
        known = presets.presets(Path())
        for each in presets.files(Path()):
            told = (
                presets.description(each, known[each])
                if each in known
                else f"cannot be read; facesent preset {each} says why."
            )
            click.echo(f"{each}: {told}")
        return
    presets.save(presets.preset(Path(), name), Project().params, presets.files_of(Path(), name))
    click.echo(f"params.yaml is now the preset {name}. Next: {next_steps.to_train(Project())}")
