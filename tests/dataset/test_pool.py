import os

import pytest

from facesent.dataset.pool import WorkerError, map_in_processes


@pytest.mark.parametrize("workers", [1, 3])
def test_the_order_is_that_of_the_items(workers: int) -> None:
    items = list(range(-20, 20))
    assert list(map_in_processes(abs, items, workers=workers, chunk=3)) == [abs(item) for item in items]


def test_nothing_gives_nothing() -> None:
    assert list(map_in_processes(abs, [], workers=4)) == []


def test_a_worker_that_dies_is_named_by_its_item() -> None:
    # os._exit ends the process at once, as a crash in a decoder does.
    with pytest.raises(WorkerError, match=r"for 3\. Received: the process that worked on it died"):
        list(map_in_processes(os._exit, [3, 4], workers=2, chunk=1))


def test_an_error_of_the_job_arrives_as_it_is() -> None:
    with pytest.raises(TypeError):
        list(map_in_processes(abs, ["a", "b"], workers=2, chunk=1))
