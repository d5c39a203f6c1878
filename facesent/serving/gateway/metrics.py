"""What Prometheus scrapes: counts of all processes of this server, also of those that have ended."""

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from http import HTTPStatus
from pathlib import Path
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

_SECONDS = (0.005, 0.01, 0.02, 0.03, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30)
_SHARES = tuple(tenth / 10 for tenth in range(1, 11))

requests = Counter("facesent_requests_total", "Requests for answers, by HTTP status.", ["status"])
seconds = Histogram("facesent_request_seconds", "From the last byte of a request to its answer.", buckets=_SECONDS)
open_requests = Gauge("facesent_open_requests", "Requests in progress or waiting.", multiprocess_mode="livesum")
refusals = Counter("facesent_refusals_total", "Refused requests, by reason.", ["reason"])
answers = Counter("facesent_answers_total", "Answers, by version and label.", ["version", "label"])
confidence = Histogram("facesent_confidence", "Probability of the most likely label.", ["version"], buckets=_SHARES)
log_dropped = Counter("facesent_log_dropped_total", "Answers and photos that were not logged.", ["what"])
log_failures = Counter("facesent_log_failures_total", "Failed attempts to write the log of answers.")
corrections = Counter("facesent_corrections_total", "Corrections sent by clients.")
# The starter's own.
version_served = Gauge("facesent_version", "Number of the version in service.", multiprocess_mode="mostrecent")
swaps = Counter("facesent_swaps_total", "Changes of the version in service.")
failed_swaps = Counter("facesent_failed_swaps_total", "Versions that could not take over.")
rollbacks = Counter("facesent_rollbacks_total", "Versions that were given up after they took over.")
shadow = {
    name: Gauge(f"facesent_shadow_{name}", text, multiprocess_mode="mostrecent")
    for name, text in {
        "copies": "Copies of requests that the last newer version answered before it took over.",
        "agreement": "Share of the labels in its answers that the clients got, too.",
        "slower": "Its median time by that of the version that is served.",
    }.items()
}
# Of the last look at the log, by a process that is not the server's.
WATCHED = {
    "version": "Version that was checked.",
    "sum": "Cumulative deviation from the baseline.",
    "threshold": "Alarm threshold; 0 without a baseline.",
    "alarm": "1 during an alarm.",
    "time": "Time of the check, in seconds since 1970.",
}
restarts = Counter("facesent_restarts_total", "Processes that died and were restarted.")


def count_answers(predictions: Sequence[Mapping[str, Any]]) -> None:
    """Count what a model answered."""
    for prediction in predictions:
        version = str(prediction.get("version"))
        answers.labels(version, str(prediction.get("label"))).inc()
        confidence.labels(version).observe(float(prediction.get("confidence", 0.0)))


def count_request(status: HTTPStatus, reason: str | None = None) -> None:
    """Count a request, and why it was refused."""
    requests.labels(str(status.value)).inc()
    if reason:
        refusals.labels(reason).inc()


def exposition(watched: Path) -> bytes:
    """All metrics in Prometheus's text format.

    Args:
        watched: what the last `facesent watch` found, if there was one.
    """
    registry = CollectorRegistry()
    MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    return generate_latest(registry) + generate_latest(_watched(watched))


def _watched(file: Path) -> CollectorRegistry:
    registry = CollectorRegistry()
    with suppress(OSError, ValueError):
        found = json.loads(file.read_text(encoding="utf-8"))
        for name, text in WATCHED.items():
            Gauge(f"facesent_watch_{name}", text, registry=registry).set(float(found[name]))
    return registry
