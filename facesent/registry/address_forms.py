"""Whether MLFLOW_TRACKING_URI has a form that names a store, and the form that was meant."""

import os
import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from shlex import quote

from facesent.core.trouble import Trouble
from facesent.registry.addresses import DATABASE, LOCAL_STORE

_NAME = "MLFLOW_TRACKING_URI"
_UNSET = "unset it to use mlflow.db in this folder"
_STORES = "a server (http://HOST:5000) or a database (postgresql://USER@HOST/NAME, sqlite:///mlflow.db)"
_SCHEMES = re.compile(r"(https?|(postgres(ql)?|mysql|mssql|sqlite)(\+\w+)?)://|file:")
_SQLITE = re.compile(r"(?P<scheme>sqlite(\+\w+)?):(?P<slashes>/*)(?P<path>.*)", re.IGNORECASE)
# As SQLAlchemy tells its parts. Whatever follows is optional, so that a user and password are never a host and port.
_WITH_PORT = re.compile(
    r"(postgres(ql)?|mysql|mssql)(\+\w+)?://([^:/]*(:[^@]*)?@)?(\[[^/?]+\]|[^/:?]*)(:(?P<port>[^/?]*))?"
)
# What .env files and shells leave around an address.
_AROUND = " \t\r\n'\""
_DATABASES = (".db", ".sqlite", ".sqlite3")
_SQLITE_BEGINS = b"SQLite format 3\0"


def form_troubles(address: str, shown: str) -> Iterator[Trouble]:
    """What is wrong with the form: MLflow takes HOST:PORT, and http with one slash, for a folder.

    Args:
        address: what the variable says.
        shown: the same without credentials.
    """
    if address != address.strip(_AROUND):
        what = f"expected an address without spaces or quotes around it. Received: {shown!r}"
        # Without its credentials the corrected address would be another one.
        if shown != address:
            yield Trouble(_NAME, what, "Set it again without them")
        else:
            meant = address.strip(_AROUND)
            yield Trouble(_NAME, what, _export(meant) if meant else _UNSET.capitalize())
    elif re.match(r"https?:(?!//)", shown) or re.fullmatch(r"[\w.-]+:\d+(/.*)?", shown):
        host = re.sub(r"^https?:/*", "", shown)
        what = f"expected the form http://HOST:5000. Received: {shown}"
        yield Trouble(_NAME, what, f"{_export(f'http://{host}')}, or {_UNSET}")
    elif found := _SQLITE.fullmatch(shown):
        if (meant := _meant_by_sqlite(found)) != shown:
            yield Trouble(_NAME, f"expected the form {LOCAL_STORE}. Received: {shown}", _export(meant))
    elif shown and _is_path(shown):
        yield from _path_troubles(shown)
    elif shown and not _SCHEMES.match(shown):
        advice = f"Set it to one of these, or {_UNSET}"
        yield Trouble(_NAME, f"expected {_STORES}. Received: {shown}", advice)


def port_troubles(name: str, address: str) -> Iterator[Trouble]:
    """Whether a database's port is none; it is not shown: where the host was forgotten, it is a password.

    Args:
        name: of the variable that has the address.
        address: its value.
    """
    found = _WITH_PORT.match(address)
    if found and found["port"] is not None and not found["port"].strip().isdecimal():
        what = "expected a number as the port of the database. Received: something else"
        yield Trouble(name, what, "Correct it after the host, as in postgresql://USER@HOST:5432/NAME")


def _export(address: str) -> str:
    return f"Set it: export {_NAME}={quote(address)}"


def _meant_by_sqlite(found: re.Match[str]) -> str:
    """A path after three slashes is one of this folder, after four a whole one."""
    path, slashes = found["path"], len(found["slashes"])
    if slashes > 3 or (slashes == 1 and "/" in path):
        path = f"/{path}"
    return f"{found['scheme'].lower()}:///{path or DATABASE}"


def _is_path(address: str) -> bool:
    return address.startswith("file:") or not re.match(r"[\w+-]+:|(databricks|uc)$", address)


def _path_troubles(address: str) -> Iterator[Trouble]:
    path = address.removeprefix("file://").removeprefix("file:")
    if _is_database(Path(path)):
        what = f"expected {_STORES}. Received: {address}, the path of a database"
        yield Trouble(_NAME, what, _export(f"sqlite:///{path}"))
    # In a folder itself it keeps no more runs, unless this says so.
    elif os.environ.get("MLFLOW_ALLOW_FILE_STORE", "").lower() not in ("true", "1"):
        what = (
            f"expected a server or a database. Received: {address}, a folder, which MLflow no longer supports as a "
            "store"
        )
        migrate = f"mlflow migrate-filestore --source {quote(path)} --target {LOCAL_STORE}"
        yield Trouble(_NAME, what, f"{_UNSET.capitalize()}; to migrate its runs: {migrate}")


def _is_database(path: Path) -> bool:
    if path.is_file():
        with suppress(OSError), path.open("rb") as file:
            return path.suffix in _DATABASES or file.read(len(_SQLITE_BEGINS)) == _SQLITE_BEGINS
    return path.suffix in _DATABASES and not path.is_dir()
