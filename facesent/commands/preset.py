"""``facesent preset``: write ``params.yaml`` from a named preset."""

from pathlib import Path

import click

from facesent.commands.errors import readable_errors
from facesent.core.errors import FacesentError


@click.command()
@click.argument("name", required=False)
@readable_errors
def preset(name: str | None) -> None:
    """Write params.yaml from presets/NAME.yaml; without NAME, list the presets.

    \b
    Example: facesent preset reference && dvc repro
    """
    presets = {path.stem: path for path in sorted(Path("presets").glob("*.yaml"))}
    if name is None:
        for known, path in presets.items():
            click.echo(f"{known}: {_first_line(path)}")
        return
    if name not in presets:
        raise FacesentError(f"Expected one of the presets {', '.join(presets) or '(none here)'}. Received: {name}")
    draft = Path("params.yaml.draft")
    draft.write_bytes(presets[name].read_bytes())
    draft.replace("params.yaml")
    click.echo(f"params.yaml is the preset {name} now. Next: dvc repro")


def _first_line(path: Path) -> str:
    return path.read_text(encoding="utf-8").splitlines()[0].lstrip("# ")
