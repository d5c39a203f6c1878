"""MLflow's store where it is a PostgreSQL database, without a server before it."""

import os
import re
from collections.abc import Iterator, MutableMapping
from functools import cache
from importlib.util import find_spec

from facesent.core.trouble import Trouble

_ADDRESS = re.compile(r"postgres(?:ql)?(?:\+(?P<driver>\w+))?://")
# What MLflow takes too.
_OTHERS = re.compile(r"(mysql|mssql)(\+\w+)?://")
_DRIVER = "psycopg"
# SQLAlchemy's own choice.
_USUAL_DRIVER = "psycopg2"
_CONNECT_SECONDS = 5


def with_driver(address: str) -> str:
    """The address with the driver of the extra ``postgres``, if it is PostgreSQL's and names none."""
    found = _ADDRESS.match(address)
    return f"postgresql+{_DRIVER}://{address[found.end() :]}" if found and not found["driver"] else address


def name_driver(environ: MutableMapping[str, str]) -> None:
    """Let MLFLOW_TRACKING_URI name a driver that is installed."""
    if find_spec(_DRIVER):
        environ["MLFLOW_TRACKING_URI"] = with_driver(environ["MLFLOW_TRACKING_URI"])


def driver_troubles(address: str) -> Iterator[Trouble]:
    """Whether the driver that a database's address names is missing."""
    found = _ADDRESS.match(address)
    driver = found and (found["driver"] or _USUAL_DRIVER)
    if driver in (_DRIVER, _USUAL_DRIVER) and not find_spec(driver):
        what = f"expected the package {_DRIVER} for PostgreSQL. Received: {driver}, which is not installed"
        advice = f"Run: pip install -e '.[postgres]', and begin the address with postgresql+{_DRIVER}://"
        yield Trouble("MLFLOW_TRACKING_URI", what, advice)


def other_driver_troubles(address: str) -> Iterator[Trouble]:
    """The same for the other databases that MLflow takes."""
    if not _OTHERS.match(address):
        return
    from sqlalchemy import make_url
    from sqlalchemy.exc import SQLAlchemyError

    try:
        make_url(address).get_dialect().import_dbapi()
    except ModuleNotFoundError as error:
        what = f"expected a driver for this database. Received: the package {error.name}, which is not installed"
        advice = "Install it, or begin the address with another driver, such as mysql+pymysql://"
        yield Trouble("MLFLOW_TRACKING_URI", what, advice)
    except (SQLAlchemyError, ValueError):
        # What else is wrong with it, MLflow says.
        return


def check_reachable() -> None:
    """Ask the database once, before MLflow does: it would try again for two minutes.

    Raises:
        SQLAlchemyError: it does not answer, or refuses the user.
    """
    address = os.environ.get("MLFLOW_TRACKING_URI", "")
    if _ADDRESS.match(address):
        _connect(address)


@cache
def _connect(address: str) -> None:
    from sqlalchemy import create_engine
    from sqlalchemy.pool import NullPool

    engine = create_engine(address, poolclass=NullPool, connect_args={"connect_timeout": _CONNECT_SECONDS})
    with engine.connect():
        pass
