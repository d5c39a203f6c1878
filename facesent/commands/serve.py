"""``facesent serve``: the champion over HTTP."""

from contextlib import suppress
from pathlib import Path

import click

from facesent.commands.errors import reading


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
@reading
def serve(host: str, port: int, hosts: tuple[str, ...], workers: int, version: str | None) -> None:
    """Serve the champion, and the next one as soon as it is promoted.

    Answers what `mlflow models serve` answers, byte for byte, at POST /invocations. When the alias moves, the new
    version is loaded beside the old one and tried; then it takes over between two requests. GET /docs says how to
    ask, /health what is served, /metrics is for Prometheus. The bounds are in params.yaml, section server; what is kept
    of the answers is in section log. FACESENT_ANSWERS_URI names another database for them.

    \b
    Tokens, each in a variable; without any, everybody on this machine may ask:
      FACESENT_TOKEN          to ask for answers
      FACESENT_TOKEN_CORRECT  to correct answers
      FACESENT_TOKEN_OPERATE  to read /metrics

    \b
    Example: facesent serve --workers 2
    """
    from facesent.params import load_params
    from facesent.registry.versions import model_uri, version_named
    from facesent.serving import follow
    from facesent.serving.answers.opening import UnreachableError, kept, opened
    from facesent.serving.questions import questions_of

    params = load_params(Path("params.yaml"))
    if params.log.enabled:
        # A wrong address is told before anything starts; a database that comes back is waited for by the server.
        with suppress(UnreachableError), opened(params.log):
            pass
    registry = follow.Registry(wanted=lambda: version_named(version).number, questions=questions_of, uri=model_uri)
    raise SystemExit(
        follow.serve(follow.Address(host, port, hosts), workers, params.server, registry, click.echo, kept(params.log))
    )
