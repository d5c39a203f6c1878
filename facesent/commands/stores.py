"""``facesent move-database``, ``backup`` and ``restore``: what a project keeps beside its files."""

import shlex
from pathlib import Path

import click

from facesent.commands.errors import reading

_TRACKING_URI = "MLFLOW_TRACKING_URI"


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

    It copies mlflow.db and answers.db, or what MLFLOW_TRACKING_URI and FACESENT_ANSWERS_URI name, to an empty
    PostgreSQL database; or back, to sqlite:///mlflow.db with answers.db beside it. It copies everything or nothing, and
    leaves the source as it is. Stop trainings and servers first: what they write afterwards is not moved. Photos and
    keys of the log stay in answers/. Put a password into PGPASSWORD or ~/.pgpass rather than into TARGET.

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
        raise AddressError(f"Expected another database than the present one. Received: {shown(new[MLFLOW])}")
    with progress_of("Moving", unit="rows") as progress:
        rows = copy(source, new, progress, artifacts=artifacts)
    for what, address in source.items():
        click.echo(f"{what[0].upper()}{what[1:]}: {shown(address)} → {shown(new[what])}")
    variables = {MLFLOW: _TRACKING_URI, ANSWERS: "FACESENT_ANSWERS_URI"}
    moved = {variables[what]: shown(new[what]) for what in source}
    click.echo(f"{rows:,} rows. Next, {_next(moved, artifacts)}")


def _next(moved: dict[str, str], artifacts: str | None) -> str:
    """What to run after a move, with the values of variables, for a shell."""
    served = ""
    if _TRACKING_URI in moved and (artifacts or "").startswith("mlflow-artifacts:"):
        # MLflow resolves such addresses only if it is reached through a server.
        store = shlex.quote(moved[_TRACKING_URI])
        served = f"on the server: mlflow server --artifacts-destination ./mlruns --backend-store-uri {store}\nThen, "
        moved = {**moved, _TRACKING_URI: "http://HOST:5000"}
    values = " ".join(f"{name}={shlex.quote(value)}" for name, value in moved.items())
    return f"{served}everywhere: export {values}"


_FOLDER = click.argument("folder", type=click.Path(path_type=Path))


@click.command()
@_FOLDER
@reading
def backup(folder: Path) -> None:
    """Write MLflow's store, its files in mlruns/, and the log of answers with its photos and keys into a new FOLDER.

    PostgreSQL databases are written as SQLite files, which facesent restore can put back into either kind. Others may
    keep working meanwhile. Only you can read the folder; if the backup fails, none is left. It does not hold what is in
    git, DVC's images and models (use dvc push), files of runs in an object store, and Prefect's state.

    \b
    Example: facesent backup ../backups/monday && dvc push
    """
    from facesent.core.console import progress_of
    from facesent.core.paths import Project
    from facesent.stores.addresses import configured
    from facesent.stores.backup import back_up

    source = configured()
    with progress_of("Backing up", unit="files") as progress:
        files = back_up(Project().root, source, folder, progress)
    click.echo(f"{folder}: {files} files, with {' and '.join(source)}. Images and models of DVC: dvc push")


@click.command()
@_FOLDER
@click.option("--replace", is_flag=True, help="Move what is there into before-restore-TIME/ first.")
@reading
def restore(folder: Path, replace: bool) -> None:
    """Put back what facesent backup wrote into FOLDER, after checking every file of it.

    The databases go where MLFLOW_TRACKING_URI and FACESENT_ANSWERS_URI say, by default to mlflow.db and answers.db. A
    PostgreSQL database must be empty. Stop trainings and servers first. If a restore is killed, run it again with
    --replace.

    \b
    Example: facesent restore ../backups/monday && dvc pull
    """
    from facesent.core.console import progress_of
    from facesent.core.paths import Project
    from facesent.stores.addresses import named
    from facesent.stores.backup import restore as put_back

    with progress_of("Restoring", unit="files") as progress:
        away = put_back(Project().root, folder, named(), progress, replace=replace)
    if away:
        click.echo(f"What was there is in {away}.")
    click.echo("Restored. Images and models of DVC: dvc pull. See: facesent models")
