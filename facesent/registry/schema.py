"""MLflow's tables, in any database that it knows."""

from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, MetaData, delete, text

from facesent.core.errors import TrackingError
from facesent.registry.addresses import FOLDER
from facesent.registry.troubles import about_schema

# What MLflow writes into a new database, or its server as it starts; nothing that anybody would miss.
_BY_ITSELF = {"experiments": "experiment_id = 0", "workspaces": "name = 'default'", "scheduler_leases": "true"}


def make_tables(address: str) -> None:
    """Make MLflow's tables in a database that has none."""
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    SqlAlchemyStore(address, FOLDER).engine.dispose()  # type: ignore[no-untyped-call]


def table_names() -> list[str]:
    """The names of MLflow's tables, without Alembic's."""
    # It imports the modules of all of them.
    from mlflow.store.db.base_sql_model import Base

    return list(Base.metadata.tables)


def revision(connection: Connection) -> str | None:
    """Which tables a database has; None for none of MLflow's, nor of another program that uses Alembic."""
    return MigrationContext.configure(connection).get_current_revision()


def check_same(source: Connection, target: Connection) -> None:
    """Refuse to go from one MLflow's tables to those of another.

    Raises:
        TrackingError: with the way out.
    """
    found, expected = revision(source), revision(target)
    if found != expected:
        raise TrackingError(
            f"Expected the tables of one MLflow. Received: revision {found} and, in the target, {expected}. "
            f"{about_schema(found or '')} Or name a database without tables as the target."
        )


def clear_new(target: Connection, tables: MetaData) -> None:
    """Delete what MLflow writes into a database by itself."""
    for name, condition in _BY_ITSELF.items():
        target.execute(delete(tables.tables[name]).where(text(condition)))
