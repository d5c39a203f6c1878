"""``facesent move-database``, ``backup`` and ``restore``: what a project keeps beside its files."""

import click

from facesent.commands.errors import reading


@click.command()
@click.argument("target", metavar="TARGET")
@click.option(
    "--artifacts",
    metavar="ADDRESS",
    help="Where the files of mlruns/ will be from then on: mlflow-artifacts:/ behind an MLflow server.",
)
@reading
def move_database(target: str, artifacts: str | None) -> None:
    """Copy MLflow's runs and registry, and the log of answers, to the database TARGET.

    From mlflow.db and answers.db, or what MLFLOW_TRACKING_URI and FACESENT_ANSWERS_URI name, to an empty database of
    PostgreSQL; or back, to sqlite:///mlflow.db with answers.db beside it. All of it is copied, or nothing; the source
    stays as it is. End trainings and servers first: what they write afterwards is not moved. Photos and keys of the log
    stay in answers/. A password is better in PGPASSWORD or ~/.pgpass than in TARGET.

    \b
    Example: facesent move-database postgresql://facesent@db.example.org/facesent
             facesent move-database postgresql://… --artifacts mlflow-artifacts:/
    """
    from facesent.core.console import progress_of
    from facesent.stores.addresses import ANSWERS, MLFLOW, AddressError, at, configured, shown
    from facesent.stores.copying import copy

    source, new = configured(), at(target)
    # It may be there already: what is moved then is MLflow's store alone.
    source = {what: address for what, address in source.items() if address != new[what]}
    if not source:
        raise AddressError("Expected mlflow.db or answers.db in this folder. Received: neither.")
    with progress_of("Moving", unit="rows") as progress:
        rows = copy(source, new, progress, artifacts=artifacts)
    for what, address in source.items():
        click.echo(f"{what[0].upper()}{what[1:]}: {shown(address)} → {shown(new[what])}")
    variables = {MLFLOW: "MLFLOW_TRACKING_URI", ANSWERS: "FACESENT_ANSWERS_URI"}
    named = " ".join(f"{variables[what]}={shown(new[what])}" for what in source)
    click.echo(f"{rows:,} rows. Next, everywhere: export {named}")
