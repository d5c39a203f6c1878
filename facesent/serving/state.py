"""What ``facesent serve`` serves at the moment, in a file: its processes show it at ``/health``."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from facesent.core.errors import in_words
from facesent.core.files import replaced


class StateFile:
    """A file that always holds a whole state.

    Args:
        path: of the file.
        log: takes a line once it cannot be written.
    """

    def __init__(self, path: Path, log: Callable[[str], None]) -> None:
        self._path, self._log = path, log
        self._unwritten = False

    def write(self, state: Mapping[str, Any]) -> None:
        """Write it; a full disk costs what ``/health`` shows, and no answer."""
        try:
            with replaced(self._path) as file:
                file.write_text(json.dumps(state), encoding="utf-8")
            self._unwritten = False
        except OSError as error:
            if not self._unwritten:
                self._log(f"The state cannot be shown: {in_words(error)}")
            self._unwritten = True
