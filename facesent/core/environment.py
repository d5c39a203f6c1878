"""The environment variables and streams of a process, put right before the libraries read them."""

import os
import pwd
import re
import sys
from contextlib import suppress
from importlib.util import find_spec
from ipaddress import IPv6Address
from pathlib import Path
from tempfile import gettempdir
from urllib.parse import urlsplit

from facesent.core.paths import Project
from facesent.core.project import is_project

# Of Keras; the first is the default.
BACKENDS = ("tensorflow", "jax", "torch")
_CACHE = Project().cache
_SETTINGS = ("KERAS_", "MLFLOW_")
# A name, an address or a range of IPv4, perhaps with a port.
_HOST = re.compile(r"[^:\[\]/]*(:[0-9]{0,5})?(/.*)?")
_THIS_MACHINE = ("localhost", "127.0.0.1", "::1")
_PROXY_SCHEMES = ("http", "https", "socks5", "socks5h")
_PROXIES = ("http_proxy", "https_proxy", "all_proxy")


def prepare_process() -> None:
    """Put right what the libraries of this process and of those that it starts read.

    For a process's entry point, before it speaks to anyone.
    """
    name_user()
    _leave_empty_settings_out()
    bypass_proxy_for_this_machine()
    _choose_keras_backend()
    _keep_modern_keras()
    _print_what_terminal_can()


def _leave_empty_settings_out() -> None:
    # So compose files and .env leave one unset; these libraries would read it as a number or a folder.
    for name in [name for name, value in os.environ.items() if not value and name.startswith(_SETTINGS)]:
        del os.environ[name]


def bypass_proxy_for_this_machine() -> None:
    """Ask what runs here without a proxy, and leave out of NO_PROXY the forms that would end every client."""
    for name in ("NO_PROXY", "no_proxy"):
        given = os.environ.get(name) or os.environ.get(name.swapcase()) or ""
        hosts = [taken for host in given.split(",") if (taken := _as_httpx_takes_it(host.strip()))]
        missing = [host for host in _THIS_MACHINE if host not in hosts]
        # It means every host only where it stands alone.
        os.environ[name] = "*" if "*" in hosts else ",".join([*hosts, *missing])


def _as_httpx_takes_it(host: str) -> str:
    """A host of NO_PROXY in a form at which httpx does not end; empty where it has none, as ranges of IPv6."""
    host = host.rpartition("://")[2]
    bare = host[1:-1] if host.startswith("[") and host.endswith("]") else host
    with suppress(ValueError):
        IPv6Address(bare)
        return bare
    return host if host.isascii() and host.isprintable() and _HOST.fullmatch(host) else ""


def _choose_keras_backend() -> None:
    # Its keras.json in the home may say another backend, data format or precision.
    os.environ.setdefault("KERAS_HOME", str((_CACHE / "keras").absolute()))
    os.environ.setdefault("KERAS_BACKEND", BACKENDS[0])


def _keep_modern_keras() -> None:
    # Without that package it leaves TensorFlow no Keras at all, by which faces are found.
    if os.environ.get("TF_USE_LEGACY_KERAS") and not find_spec("tf_keras"):
        os.environ["TF_USE_LEGACY_KERAS"] = "0"


def _print_what_terminal_can() -> None:
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            # A terminal that knows ASCII alone shows what it can.
            stream.reconfigure(errors="replace")


def draw_unseen() -> None:
    """Let Matplotlib need no screen, and not end where MPLBACKEND has a name that it does not know; for a command."""
    os.environ["MPLBACKEND"] = "agg"


def name_user() -> None:
    """Give a user id without a name, as containers have it, what libraries end without: a name, and a home."""
    try:
        pwd.getpwuid(os.getuid())
    except KeyError:
        os.environ.setdefault("USER", f"user-{os.getuid()}")
        if "HOME" not in os.environ:
            os.environ["HOME"] = str(_made_home() or gettempdir())


def _made_home() -> Path | None:
    """A folder of the project; None outside one, and where nothing may be written."""
    home = (_CACHE / "home").absolute()
    with suppress(OSError):
        if is_project(Path()):
            home.mkdir(parents=True, exist_ok=True)
            return home
    return None


def unusable_proxies() -> dict[str, str]:
    """The variables that name a proxy at which Prefect's client would end, with what to do."""
    names = [name for each in _PROXIES for name in (each, each.upper())]
    found = {name: _unusable(os.environ[name]) for name in names if os.environ.get(name)}
    return {name: advice for name, advice in found.items() if advice}


def _unusable(proxy: str) -> str:
    try:
        parts = urlsplit(proxy if "://" in proxy else f"http://{proxy}")
        usable = proxy == proxy.strip() and parts.scheme in _PROXY_SCHEMES and parts.port != 0
    except ValueError:
        usable = False
    if not usable:
        return "set it in the form http://HOST:PORT"
    return "" if not parts.scheme.startswith("socks") or find_spec("socksio") else "pip install socksio pysocks"


def leave_unusable_proxies_out() -> None:
    """Go without the proxies that would end every client at its start, also of this machine; say so on stderr."""
    for name, advice in unusable_proxies().items():
        del os.environ[name]
        print(f"Ignoring the proxy of {name}, which can't be used: {advice}", file=sys.stderr)
