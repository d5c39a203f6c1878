"""Which commits of git name what is not there any more."""

import re
import subprocess
from collections.abc import Collection
from pathlib import Path

_FOLDER = re.compile(r"\b([0-9a-f]{32}\.dir)\b")
_POINTERS = ("data.dvc", "dvc.lock")
_DIGITS = 8


def commits_naming(root: Path, folders: Collection[str]) -> list[str]:
    """The commits whose ``data.dvc`` or ``dvc.lock`` names one of DVC's folders, the newest first, as short hashes.

    Empty where there is no git.
    """
    commits = _git(root, ["rev-list", "--all"]).decode().split()
    asked = "".join(f"{commit}:./{name}\n" for commit in commits for name in _POINTERS)
    texts = _contents(_git(root, ["cat-file", "--batch"], asked.encode()))
    named = [bool(set(_FOLDER.findall(text)) & set(folders)) for text in texts]
    pairs = zip(commits, named[:: len(_POINTERS)], named[1 :: len(_POINTERS)], strict=True)
    return [commit[:_DIGITS] for commit, *each in pairs if any(each)]


def _contents(batch: bytes) -> list[str]:
    """What `git cat-file --batch` says of each object; empty for one that is not there."""
    texts = []
    while batch:
        head, _, batch = batch.partition(b"\n")
        if head.endswith(b" missing"):
            texts.append("")
            continue
        size = int(head.rsplit(b" ", 1)[1])
        texts.append(batch[:size].decode("utf-8", "replace"))
        batch = batch[size + 1 :]
    return texts


def _git(root: Path, arguments: list[str], given: bytes = b"") -> bytes:
    answer = subprocess.run(["git", *arguments], cwd=root, input=given, capture_output=True, check=False)
    return answer.stdout if answer.returncode == 0 else b""
