"""``facesent approve`` and ``facesent reject``: a person's word on a version that passed the gate."""

import click

from facesent.commands.errors import readable_errors
from facesent.commands.models import show_aliases

_by = click.option("--by", help="Who decides; by default the user of this terminal.")


@click.command()
@click.argument("version", type=int)
@_by
@click.option("--reason", default="", help="For the history that facesent models shows.")
@readable_errors
def approve(version: int, by: str | None, reason: str) -> None:
    """Agree that VERSION, which passed the gate, is served, and make it champion.

    With gate.approval: true in params.yaml, facesent promote and the flow ask before they promote. A flow that waits
    goes on by itself a few seconds after this; where none waits, or none any more, this is all that it takes. If the
    champion changed since the verdict, VERSION has to be judged again. VERSION may have been rejected before.

    \b
    Example: facesent models && facesent approve 3
    """
    import getpass

    from facesent import promotion

    show_aliases(promotion.approve(version, by=by or getpass.getuser(), reason=reason))


@click.command()
@click.argument("version", type=int)
@_by
@click.option("--reason", required=True, help="What is wrong with it.")
@readable_errors
def reject(version: int, by: str | None, reason: str) -> None:
    """Keep VERSION, which waits for approval, from being served; a flow that waits for it ends.

    It is not asked about again; facesent approve VERSION changes your mind.

    \b
    Example: facesent reject 3 --reason "half of the test photos are of one person"
    """
    import getpass

    from facesent import promotion

    click.echo(promotion.reject(version, by=by or getpass.getuser(), reason=reason).sentence)
