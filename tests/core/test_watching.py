"""Who watches a training changes nothing about it."""

import sys
from pathlib import Path

import pytest

from facesent.core.watching import Watcher, watched


class Broken(Watcher):
    """Raises at what it hears."""

    def advanced(self, done: int, total: int) -> None:
        raise RuntimeError(f"{done} of {total}")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a disk that is always full is Linux's")
def test_a_full_disk_behind_the_terminal_ends_no_training(monkeypatch: pytest.MonkeyPatch) -> None:
    with Path("/dev/full").open("w") as full, watched(Broken()) as watch:
        monkeypatch.setattr(sys, "stdout", full)
        watch.advanced(1, 2)
        monkeypatch.undo()
        # What is still in the buffer would be written when it is closed.
        with pytest.raises(OSError, match="No space left"):
            full.close()
