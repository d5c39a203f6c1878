"""``facesent serve``: the champion over HTTP."""

import os
from contextlib import suppress

import click

from facesent.commands.errors import needing
from facesent.core.paths import Project
from facesent.core.preflight import Needs


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="An address of this machine to listen on.")
@click.option("--port", type=click.IntRange(0, 65535), default=5000, show_default=True, help="0: any free port.")
@click.option(
    "--allow-host", "hosts", multiple=True, metavar="NAME", help="Another name by which clients call the server."
)
@click.option("--workers", type=click.IntRange(1, 64), default=1, show_default=True, help="Number of worker processes.")
@click.option(
    "--version", metavar="VERSION|ALIAS", help="A number or an alias, which is followed; the champion by default."
)
@needing(Needs.NETWORKS)
def serve(host: str, port: int, hosts: tuple[str, ...], workers: int, version: str | None) -> None:
    """Serve the champion, and the next one as soon as it is promoted.

    Answers what `mlflow models serve` answers, byte for byte, at POST /invocations. When the alias moves, the new
    version is loaded beside the old one and tried; then it takes over between two requests. GET /docs says how to
    ask, /health what is served, /metrics is for Prometheus. The bounds are in params.yaml, section server; what is kept
    of the answers is in section log. FACESENT_ANSWERS_URI names another database for them.

    \b
    Tokens, each in a variable, the first also where another is set; without any, everybody on this machine may ask:
      FACESENT_TOKEN          to ask for answers
      FACESENT_TOKEN_CORRECT  to correct answers
      FACESENT_TOKEN_OPERATE  to read /metrics

    \b
    Example: facesent serve --workers 2
    """
    from facesent.params import load_params
    from facesent.promotion.releases import RegistryReleases
    from facesent.serving import follow
    from facesent.serving.address import Address
    from facesent.serving.answers.log import UnreachableError, kept, opened

    # Between two looks at the registry it looks after its processes: one that never answers must not hold it long.
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "10")
    params = load_params(Project().params)
    if params.log.enabled:
        # A wrong address is told before anything starts; a database that comes back is waited for by the server.
        with suppress(UnreachableError), opened(params.log):
            pass
    releases, address = RegistryReleases(version, params), Address(host, port, hosts)
    raise SystemExit(follow.serve(address, workers, params.server, releases, click.echo, kept(params.log)))
