"""10,000 requests from 16 clients to `mlflow models serve`, one in five of them bad; the server must not mind.

The server runs the reference CNN, untrained, at 224x224 in one worker, as ``serving`` does; the clients are threads
of one other process. The bad requests are the same each time, and a fuzzer (pyradamsa) makes a good half of them.
"""

import json
import os
import re
import statistics
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.bad_requests import Expected, Request
from benchmarks.faces import jpegs
from benchmarks.load import CLIENTS, GOOD, MEMORY_EVERY, TIMEOUT_SECONDS, Load, Reply, ask, load
from benchmarks.reference import log_reference
from benchmarks.results import Result, noted
from benchmarks.sizes import Size
from facesent.serving.client import photos_body
from facesent.serving.server import ModelServer, pings, served

_THOUSAND = 1000
_SAME = 1e-6
_FLAT = 1.1
_MIB = 2**20
# MLflow copies the model's code file out of the package.
_FRAME = re.compile(r'File "[^"\n]*?((?:mlflow|facesent)/[\w/]+\.py|(?<=/)served\.py)", line (\d+)')

Blame = Callable[[Reply], str]


def run(scratch: Path, size: Size) -> list[Result]:
    """Start one server and load it; the thousands of requests are the rounds."""
    photos = [file.read_bytes() for file in sorted(jpegs(scratch, size.photos).glob("*/*.jpg"))]
    with TemporaryDirectory(dir=scratch, prefix="abuse-") as name:
        uri, _ = log_reference(Path(name), size.side)
        with served(uri) as server:
            seen = load(server, photos, size.requests)
            return [
                *_good(seen),
                *_bad(seen, lambda reply: _culprit(server, reply.request)),
                *_traces(seen),
                _memory(seen),
                *_unlimited(server, size.huge),
                _alive(server),
            ]


def _good(seen: Load) -> list[Result]:
    replies = [reply for reply in seen.replies if reply.request.kind == GOOD]
    answered = [reply for reply in replies if reply.status == 200]
    count = f"{len(answered):,} of {len(replies):,}"
    return [
        Result("", "good photos: answered", count, goal="all", reached=len(answered) == len(replies)),
        _unchanged(answered),
        noted(f"good and bad, {CLIENTS} clients", f"{len(seen.replies) / seen.seconds:.1f} requests/s"),
        noted("processor time of the clients", f"{seen.own_seconds / seen.seconds:.0%} of one core"),
        noted("good photos: time, p50 / p95 / p99", _percentiles(answered)),
        *_thousands(seen),
    ]


def _thousands(seen: Load) -> list[Result]:
    """Whether the server grows slower or larger, thousand by thousand; nothing of a run of less than two."""
    rows = []
    for start in range(0, len(seen.replies) - _THOUSAND + 1, _THOUSAND):
        replies = seen.replies[start : start + _THOUSAND]
        memory = statistics.median(seen.memory[start // MEMORY_EVERY : (start + _THOUSAND) // MEMORY_EVERY])
        what = f"of it in thousand {start // _THOUSAND + 1}; server's memory"
        rows.append(noted(what, f"{_percentiles(replies)}; {memory / _MIB:,.0f} MiB"))
    return rows if len(rows) > 1 else []


def _unchanged(answered: Sequence[Reply]) -> Result:
    differences = [reply.difference for reply in answered]
    greatest = max(differences, default=float("inf"))
    return Result(
        "",
        "good photos: probabilities beside those before the load",
        f"{greatest:g} apart at most, {differences.count(0.0):,} answers the same to the bit",
        goal=f"≤ {_SAME:g} apart",
        reached=greatest <= _SAME,
    )


def _percentiles(replies: Sequence[Reply]) -> str:
    seconds = [reply.seconds for reply in replies if reply.request.kind == GOOD and reply.status == 200]
    if len(seconds) < 2:
        return "too few"
    cuts = statistics.quantiles(seconds, n=100, method="inclusive")
    return " / ".join(f"{cuts[percent - 1] * 1e3:.0f}" for percent in (50, 95, 99)) + " ms"


def _bad(seen: Load, culprit: Blame) -> list[Result]:
    kinds: dict[str, list[Reply]] = {}
    for reply in seen.replies:
        kinds.setdefault(reply.request.kind, []).append(reply)
    del kinds[GOOD]
    rows = [judged(kind, replies, culprit) for kind, replies in sorted(kinds.items())]
    total = sum(map(len, kinds.values()))
    return [noted("bad requests", f"{total:,} of {len(kinds)} kinds"), *rows]


def judged(kind: str, replies: Sequence[Reply], culprit: Blame) -> Result:
    """A row of how one kind was answered; where the server failed, with the line that failed."""
    counts = Counter("hung up" if reply.request.expected is Expected.NOTHING else _shown(reply) for reply in replies)
    shown = ", ".join(f"{number:,} × {status}" for status, number in sorted(counts.items()))
    expected = sorted({reply.request.expected.value for reply in replies})
    wrong = [reply for reply in replies if not _is_right(reply)]
    blamed = sorted({culprit(reply) for reply in wrong if reply.status >= 500})
    mlflows = bool(blamed) and all(line.startswith("mlflow/") for line in blamed)
    # Nothing of this project runs before that line: it is neither reached nor missed.
    reached = None if mlflows and all(reply.status >= 500 for reply in wrong) else not wrong
    peer = "" if not blamed else "MLflow's own, at" if mlflows else "at"
    return Result("", f"bad: {kind}", shown, peer, ", ".join(blamed), goal=" or ".join(expected), reached=reached)


def _shown(reply: Reply) -> str:
    return str(reply.status or "no answer")


def _is_right(reply: Reply) -> bool:
    refused, answered = 400 <= reply.status < 500, reply.status == 200
    return {
        Expected.ANSWERED: answered,
        Expected.REFUSED: refused,
        Expected.EITHER: answered or refused,
        Expected.NOTHING: True,
    }[reply.request.expected]


def _culprit(server: ModelServer, request: Request) -> str:
    """Ask once more, alone, and find in the server's log the line of facesent or MLflow that failed."""
    log = server.log.fileno()
    begin = os.fstat(log).st_size
    ask(server, request)
    # The trace is written after the answer, and before the next one.
    pings(server, TIMEOUT_SECONDS)
    # The server writes where this file's position is: it must not be moved.
    return failing_line(os.pread(log, os.fstat(log).st_size - begin, begin).decode(errors="replace"))


def failing_line(trace: str) -> str:
    """``path:line`` of the innermost frame of facesent in a traceback, or where it has none of MLflow; else ''."""
    frames = _FRAME.findall(trace.replace('\\"', '"'))
    ours = [frame for frame in frames if not frame[0].startswith("mlflow/")]
    return next((f"{path}:{line}" for path, line in reversed(ours or frames)), "")


def _traces(seen: Load) -> list[Result]:
    """Answers that show a stack trace: ours, which must not be, and what MLflow shows where it cannot parse."""
    lines = Counter(
        (failing_line(reply.text.decode(errors="replace")), reply.request.kind)
        for reply in seen.replies
        if b"Traceback (most recent call last)" in reply.text
    )
    ours = sum(number for (line, _), number in lines.items() if not line.startswith("mlflow/"))
    return [
        Result("", "answers with a stack trace through facesent", f"{ours:,}", goal="none", reached=not ours),
        *(
            noted(f"answers with a stack trace: {kind}", f"{number:,}", peer=_peer(line), theirs=line)
            for (line, kind), number in sorted(lines.items())
        ),
    ]


def _peer(line: str) -> str:
    return "MLflow's own, at" if line.startswith("mlflow/") else "at"


def _memory(seen: Load) -> Result:
    size = max(1, min(_THOUSAND // MEMORY_EVERY, len(seen.memory) // 4))
    first, last = statistics.median(seen.memory[:size]), statistics.median(seen.memory[-size:])
    return Result(
        "",
        f"server's resident memory in the last {size * MEMORY_EVERY:,} requests",
        f"{last / _MIB:,.0f} MiB (peak {max(seen.memory) / _MIB:,.0f})",
        f"the first {size * MEMORY_EVERY:,}",
        f"{first / _MIB:,.0f} MiB",
        last / first,
        f"≤ {_FLAT:g}×",
        last / first <= _FLAT,
    )


def _alive(server: ModelServer) -> Result:
    alive = pings(server, TIMEOUT_SECONDS)
    return Result("", "the server answers after it", "yes" if alive else "no", goal="yes", reached=alive)


def _unlimited(server: ModelServer, huge: int) -> list[Result]:
    """What requests cost that nobody limits: all of this happens before the model sees a byte."""
    # A character of base64 holds 6 bits.
    whole, row = huge * 3 // 4, huge * 3 // 400
    # MLflow makes `inputs` an array in which each row has room for the longest.
    rows = ["A" * (huge // 100), *[""] * 200]
    shown = f"200 rows and one of {huge / 1e8:g} MB"
    return [
        _cost(server, f"a body of {huge / 1e6:g} MB", photos_body([bytes(whole)])),
        _cost(server, f"{shown}, as dataframe_split", photos_body([bytes(row), *[b""] * 200])),
        _cost(server, f"{shown}, as inputs", json.dumps({"inputs": {"image": rows}}).encode()),
    ]


def _cost(server: ModelServer, what: str, body: bytes) -> Result:
    before = server.memory()
    with _watched(server) as peaks:
        reply = ask(server, Request(what, body))
    return noted(
        what,
        f"{_shown(reply)} in {reply.seconds:.1f} s",
        peer="server's memory meanwhile",
        theirs=f"+{(max(peaks) - before) / _MIB:,.0f} MiB",
    )


@contextmanager
def _watched(server: ModelServer) -> Iterator[list[int]]:
    peaks, done = [server.memory()], threading.Event()

    def look() -> None:
        while not done.wait(0.01):
            peaks.append(server.memory())

    watcher = threading.Thread(target=look)
    watcher.start()
    try:
        yield peaks
    finally:
        done.set()
        watcher.join()
