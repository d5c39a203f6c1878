"""A folder that commands and flows take for a project's, for several tests."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


@contextmanager
def working_folder(root: Path, database: Path) -> Iterator[None]:
    """Work in ``root``, a git repository with a tracking store that begins as a copy of ``database``."""
    (root / "mlflow.db").write_bytes(database.read_bytes())
    (root / "dvc.yaml").touch()
    subprocess.run(["git", "init", "--quiet"], cwd=root, check=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(root)
        patch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{root / 'mlflow.db'}")
        yield
