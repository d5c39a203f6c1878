"""Disks that take nothing more, as a process sees them."""

import resource
from collections.abc import Iterator
from contextlib import contextmanager

import pytest


@contextmanager
def no_room(beyond: int = 0) -> Iterator[None]:
    """Let the system take so few bytes, or none, into a file of this process, and of those that it starts."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (beyond, before[1]))
    try:
        with pytest.MonkeyPatch.context() as patch:
            # What is started here could not write down what coverage saw either, and would say so.
            patch.delenv("COVERAGE_PROCESS_CONFIG", raising=False)
            yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
