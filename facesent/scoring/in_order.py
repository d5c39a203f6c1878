"""More texts than fit in memory, sorted."""

import heapq
import json
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from itertools import islice
from tempfile import TemporaryFile
from typing import IO

# Some tens of megabytes.
_MOST = 200_000


def in_order(texts: Iterable[str], most: int = _MOST) -> Iterator[str]:
    """The texts, sorted; memory does not grow with their number.

    Args:
        texts: in any order.
        most: to hold in memory; more of them wait in temporary files, sorted, and are merged.
    """
    given = iter(texts)
    run = sorted(islice(given, most))
    if len(run) < most:
        yield from run
        return
    with ExitStack() as files:
        runs = []
        while run:
            file = files.enter_context(TemporaryFile("w+", encoding="ascii"))
            _spill(run, file)
            runs.append(file)
            run = sorted(islice(given, most))
        yield from heapq.merge(*(map(json.loads, file) for file in runs))


def _spill(run: list[str], file: IO[str]) -> None:
    # As JSON, since a name of a file may hold a line's end, or bytes that are no UTF-8.
    file.writelines(f"{json.dumps(text)}\n" for text in run)
    file.seek(0)
