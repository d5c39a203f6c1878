import itertools
import os
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from facesent.images.threads import Scratch, map_ahead


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_results_keep_the_order_of_the_items(threads: int) -> None:
    assert list(map_ahead(lambda item: item * item, range(50), threads=threads)) == [i * i for i in range(50)]


def test_no_more_is_begun_than_threads_and_waiting_results() -> None:
    taken = []

    def items() -> Iterator[int]:
        for item in itertools.count():
            taken.append(item)
            yield item

    results = map_ahead(lambda item: item, items(), threads=2, ahead=3)
    assert [next(results) for _ in range(4)] == [0, 1, 2, 3]
    assert len(taken) == 4 + 2 + 3
    results.close()


def test_work_goes_on_while_a_result_is_used() -> None:
    last = threading.Event()
    results = map_ahead(lambda item: last.set() if item == 3 else None, range(10), threads=2, ahead=2)
    next(results)
    assert last.wait(timeout=30)
    results.close()


def test_closing_ends_the_threads() -> None:
    before = threading.active_count()
    results = map_ahead(lambda item: item, itertools.count(), threads=3)
    next(results)
    results.close()
    assert threading.active_count() == before


def test_an_error_reaches_the_caller() -> None:
    results = map_ahead(lambda item: 1 // item, [1, 0, 1], threads=2)
    assert next(results) == 1
    with pytest.raises(ZeroDivisionError):
        next(results)


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere threads have no priority of their own")
def test_the_threads_give_way_to_the_caller() -> None:
    mine = os.getpriority(os.PRIO_PROCESS, threading.get_native_id())
    theirs = next(map_ahead(lambda _: os.getpriority(os.PRIO_PROCESS, threading.get_native_id()), range(1)))
    assert mine < theirs
    assert os.getpriority(os.PRIO_PROCESS, threading.get_native_id()) == mine


def test_a_thread_is_given_its_own_memory_again() -> None:
    scratch = Scratch()
    first, smaller, larger = (scratch.picture(side, side, 4) for side in (8, 5, 9))
    assert [picture.shape for picture in (first, smaller, larger)] == [(8, 8, 4), (5, 5, 4), (9, 9, 4)]
    assert np.shares_memory(first, smaller)
    with ThreadPoolExecutor(1) as pool:
        assert not np.shares_memory(pool.submit(scratch.picture, 9, 9, 4).result(), larger)
    assert np.shares_memory(scratch.picture(9, 9, 4), larger)
