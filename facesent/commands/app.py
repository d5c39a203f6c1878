"""``facesent app``: the model on a local page."""

import click

from facesent.commands.errors import needing
from facesent.core.preflight import Needs


@click.command()
@click.option("--port", type=click.IntRange(1, 65535), default=8501, show_default=True, help="On 127.0.0.1.")
@click.option("--version", metavar="VERSION|ALIAS", help="A registered version; the champion by default.")
@click.option("--no-browser", is_flag=True, help="Only serve the page.")
@needing(Needs.NETWORKS)
def app(port: int, version: str | None, no_browser: bool) -> None:
    """Open a local page that answers a photo or the camera: face, classes, heat map.

    Photos stay on this machine, and are kept only if you correct an answer. Needs the extra: pip install -e '.[app]'

    \b
    Example: facesent app
    """
    from facesent.registry.versions import version_named
    from facesent.serving.app.running import run

    # A missing version is told here, not on the page.
    version_named(version)
    raise SystemExit(run(port, version, browser=not no_browser))
