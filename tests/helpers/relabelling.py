"""Images to relabel, and a queue of decisions about them."""

import hashlib
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from facesent.labels.relabel import relabel
from facesent.sources.store import Installed

FILES = ("Happy/1.jpg", "Happy/2.jpg", "Happy/3.jpg", "Sad/2.jpg", "Sad/4.jpg")
METADATA = 'file_name,group,note\nSad/4.jpg,007,NA\nHappy/1.jpg,ann,\nHappy/2.jpg,ann,"a, b"\nSad/2.jpg,bob,x\n'


def fill(folder: Path) -> Path:
    for name in FILES:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(f"the content of {name}")
    (folder / "metadata.csv").write_text(METADATA)
    return folder


def sha256(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest() if file.is_file() else "0" * 64


def queue(data: Path, decisions: Mapping[str, str]) -> Path:
    path = Path("review/queue.csv")
    path.parent.mkdir(exist_ok=True)
    rows = [f"{name},{choice},{sha256(data / name)}" for name, choice in decisions.items()]
    path.write_text("\n".join(["file_name,decision,sha256", *rows, ""]))
    return path


def contents(folder: Path) -> dict[str, bytes]:
    return {file.relative_to(folder).as_posix(): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def apply(data: Path, decisions: Mapping[str, str]) -> Installed:
    installed = relabel(queue(data, decisions), data)[1]
    assert installed is not None
    return installed


def go_back(installed: Installed) -> None:
    assert installed.way_back is not None
    command = installed.way_back.replace("dvc checkout", f"{sys.executable} -m dvc checkout")
    subprocess.run(["sh", "-ec", command], check=True)
