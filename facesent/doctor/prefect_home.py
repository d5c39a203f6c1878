"""What Prefect keeps on this machine and how its server is named, as far as that can be told without Prefect."""

import os
import sqlite3
import tomllib
from collections.abc import Iterator, Mapping
from contextlib import closing
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import urlsplit

from facesent.core.trouble import Trouble
from facesent.registry.credentials import without_credentials

_DATABASE = "prefect.db"
# The first one is the name that Prefect tells it by, and counts where both are set.
_ADDRESSES = ("PREFECT_SERVER_DATABASE_CONNECTION_URL", "PREFECT_API_DATABASE_CONNECTION_URL")
# Where the name of each file has a revision of the database's schema that the installed Prefect knows.
_REVISIONS = ("server", "database", "_migrations", "versions", "sqlite")


def home(root: Path, settings: Mapping[str, str]) -> Path:
    """Where the temporary server writes the history of flow runs: ``prefect.toml`` has it beside the project."""
    return root / settings["PREFECT_HOME"]


def advice(root: Path, settings: Mapping[str, str]) -> str:
    """What to do where the temporary server cannot use its database: begin without that history, or with another."""
    if not _is_its_own(settings):
        address = without_credentials(settings[_ADDRESSES[0]])
        return f"{_named()} has the database {address}: {_correct()}"
    folder = home(root, settings)
    # Not the file alone: what SQLite keeps beside it would be taken for the new one's.
    return f"{folder} holds the history of flow runs, and profiles. To begin a new one: mv {folder} {folder}.old"


def _is_its_own(settings: Mapping[str, str]) -> bool:
    """Whether the database is the one in the home, and none that somebody named."""
    return settings[_ADDRESSES[0]].endswith(f"/{settings['PREFECT_HOME']}/{_DATABASE}")


def _named() -> str:
    return next((name for name in _ADDRESSES if name in os.environ), _ADDRESSES[0])


def _correct() -> str:
    here = _named() in os.environ
    return f"correct it, or unset it: unset {_named()}" if here else "correct it where `prefect config view` finds it"


def troubles(root: Path, settings: Mapping[str, str]) -> Iterator[Trouble]:
    """Why the temporary server cannot use its database.

    Args:
        root: where flows run.
        settings: Prefect's, by the names of the variables.
    """
    folder = home(root, settings)
    file = folder / _DATABASE
    if folder.exists() and not folder.is_dir():
        yield Trouble("Prefect", f"expected a folder {folder}. Received: a file", f"Move it away: mv {folder} old")
    elif not _is_its_own(settings):
        yield from _without_folder(root, settings[_ADDRESSES[0]])
    elif file.is_file() and (wrong := _unreadable(file)):
        yield Trouble(
            "Prefect", f"expected a database {file} that it can use. Received: {wrong}", advice(root, settings)
        )


def _without_folder(root: Path, address: str) -> Iterator[Trouble]:
    """SQLite makes a file, but no folder for it; the server would try for half a minute."""
    scheme, _, rest = address.partition(":///")
    place = rest.partition("?")[0]
    folder = (root / place).parent
    # With a colon it names no file, or one as an address.
    if scheme.startswith("sqlite") and place and ":" not in place and not folder.is_dir():
        what = f"expected a file in a folder that is there. Received: {place}"
        yield Trouble(_named(), what, f"Make the folder: mkdir -p {folder}, or {_correct()}")


def profile_troubles(root: Path, settings: Mapping[str, str]) -> Iterator[Trouble]:
    """PREFECT_PROFILE, perhaps of another project, names a profile that the project does not have: it has no effect."""
    name, file = os.environ.get("PREFECT_PROFILE"), root / settings["PREFECT_PROFILES_PATH"]
    # The default one is there without a file.
    if not name or name == "ephemeral" or "PREFECT_API_URL" in os.environ:
        return
    try:
        known = tomllib.loads(file.read_text(encoding="utf-8")).get("profiles", {})
    except (OSError, ValueError):
        known = {}
    if name not in known:
        what = f"expected a profile in {file}. Received: {name}, which is not there"
        yield Trouble("PREFECT_PROFILE", what, f"Unset it, or make the profile: prefect profile create {name}")


def without_server() -> str:
    """How a flow runs without the server that PREFECT_API_URL names."""
    if "PREFECT_API_URL" in os.environ:
        return "unset PREFECT_API_URL"
    return "remove PREFECT_API_URL from where `prefect config view` finds it"


def address_troubles(address: str) -> Iterator[Trouble]:
    """What is wrong with a value of PREFECT_API_URL."""
    shown = without_credentials(address)
    parts = urlsplit(shown if "://" in shown else f"http://{shown}")
    path = [part for part in parts.path.split("/") if part]
    # Prefect Cloud's has the names of account and workspace behind it.
    if not shown.startswith(("http://", "https://")) or "api" not in path:
        scheme = parts.scheme if parts.scheme == "https" else "http"
        right = "/".join([f"{scheme}://{parts.netloc}", *(path if "api" in path else [*path, "api"])])
        what = f"expected the form http://HOST:4200/api. Received: {shown}"
        advice = f"Set it: export PREFECT_API_URL={right}, or {without_server()} to run without a server"
        yield Trouble("PREFECT_API_URL", what, advice)


def _unreadable(file: Path) -> str:
    try:
        with closing(sqlite3.connect(f"{file.absolute().as_uri()}?mode=ro", uri=True)) as opened:
            tables = {name for (name,) in opened.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
            revisions = list(opened.execute("SELECT version_num FROM alembic_version")) if tables else []
            broken = opened.execute("PRAGMA quick_check(1)").fetchone()[0]
    except sqlite3.OperationalError as error:
        # Another process may hold it; whether that lasts shows later.
        return "" if "locked" in str(error) else str(error)
    except sqlite3.DatabaseError as error:
        return str(error)
    if broken != "ok":
        return f"half a file ({broken.splitlines()[0]})"
    known = known_revisions()
    unknown = [revision for (revision,) in revisions if known and not any(f"_{revision}_" in name for name in known)]
    return f"the schema {unknown[0]} of a newer Prefect than the installed one" if unknown else ""


def known_revisions() -> list[str]:
    """Names of files, each with the revision in it."""
    spec = find_spec("prefect")
    places = spec.submodule_search_locations if spec else None
    return [file.name for place in places or () for file in Path(place).joinpath(*_REVISIONS).glob("*.py")]
