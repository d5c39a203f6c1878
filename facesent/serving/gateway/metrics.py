"""What Prometheus scrapes: counts of all processes of this server, also of those that have ended."""

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

UNCERTAIN = "uncertain"

_SECONDS = (0.005, 0.01, 0.02, 0.03, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30)
_SHARES = tuple(tenth / 10 for tenth in range(1, 11))

requests = Counter("facesent_requests_total", "Requests for answers, by HTTP status.", ["status"])
seconds = Histogram("facesent_request_seconds", "From a request's last byte to its answer.", buckets=_SECONDS)
open_requests = Gauge("facesent_open_requests", "Worked on or waiting now.", multiprocess_mode="livesum")
refusals = Counter("facesent_refusals_total", "Requests that were refused, by reason.", ["reason"])
answers = Counter("facesent_answers_total", "Faces answered, by version and label.", ["version", "label"])
confidence = Histogram("facesent_confidence", "Probability of the likeliest label.", ["version"], buckets=_SHARES)
log_dropped = Counter("facesent_log_dropped_total", "Answers and photos that were not logged.", ["what"])
log_failures = Counter("facesent_log_failures_total", "Failed attempts to write the log of answers.")
corrections = Counter("facesent_corrections_total", "Corrections that clients sent, and that wait.")
# The starter's own.
version_served = Gauge("facesent_version", "Number of the version that answers.", multiprocess_mode="mostrecent")
swaps = Counter("facesent_swaps_total", "Changes of the version that answers.")
failed_swaps = Counter("facesent_failed_swaps_total", "Versions that could not take over.")
restarts = Counter("facesent_restarts_total", "Processes that ended unasked and were started again.")


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


def exposition() -> bytes:
    """All metrics in Prometheus's text format."""
    registry = CollectorRegistry()
    MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    return generate_latest(registry)
