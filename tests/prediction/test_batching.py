"""Passes that threads share."""

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

from facesent.prediction.batching import Images, Scores, Shared


def images(*values: int) -> Images:
    return np.array(values, np.uint8)


class Network:
    """Doubles its input, waits in its first pass, and notes how many images each pass had."""

    def __init__(self) -> None:
        self.passes: list[int] = []
        self.began, self.go_on = threading.Event(), threading.Event()

    def __call__(self, given: Images) -> Scores:
        self.passes.append(len(given))
        if len(self.passes) == 1:
            self.began.set()
            assert self.go_on.wait(30)
        if 99 in given:
            raise ValueError("99")
        return (given * 2).astype(np.float32)


def asked(shared: Shared, pool: ThreadPoolExecutor, *batches: tuple[int, ...]) -> list[Any]:
    """What each gets, of which the first is under way when the others come."""
    network = shared._function
    assert isinstance(network, Network)
    futures = [pool.submit(shared, images(*batches[0]))]
    assert network.began.wait(30)
    futures += [pool.submit(shared, images(*batch)) for batch in batches[1:]]
    while len(shared._waiting) < len(batches) - 1:
        pass
    network.go_on.set()
    return [future.exception() or future.result() for future in futures]


def test_who_waits_shares_the_next_pass_and_gets_its_own() -> None:
    network = Network()
    with ThreadPoolExecutor(8) as pool:
        found = asked(Shared(network), pool, (1,), (2, 3), (4,), (5,))
    assert [list(each) for each in found] == [[2], [4, 6], [8], [10]]
    assert network.passes == [1, 4]


def test_no_pass_is_larger_than_the_bound_unless_one_caller_asks_for_more() -> None:
    network = Network()
    with ThreadPoolExecutor(8) as pool:
        found = asked(Shared(network, most=3), pool, (1,), (2, 3), (4, 5), (6, 7, 8, 9))
    assert [list(each) for each in found] == [[2], [4, 6], [8, 10], [12, 14, 16, 18]]
    assert sorted(network.passes[1:]) == [2, 2, 4]


def test_an_error_reaches_those_who_shared_the_pass_and_no_later_one() -> None:
    network = Network()
    shared = Shared(network)
    with ThreadPoolExecutor(8) as pool:
        first, *others = asked(shared, pool, (1,), (99,), (2,))
    assert list(first) == [2]
    assert [str(error) for error in others] == ["99", "99"]
    assert list(shared(images(7))) == [14]


@pytest.mark.parametrize("threads", [1, 8])
def test_many_threads_get_what_one_would(threads: int) -> None:
    shared = Shared(lambda given: (given * 2).astype(np.float32), most=5)
    with ThreadPoolExecutor(threads) as pool:
        found = list(pool.map(lambda value: shared(images(value, value + 1)).tolist(), range(100)))
    assert found == [[2 * value, 2 * value + 2] for value in range(100)]
