"""Imports of large libraries in less time."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def importing() -> Iterator[None]:
    """Spare a block of imports the search for garbage, as they make none.

    Among the objects of TensorFlow and MLflow it takes up to a quarter of their time. What is there at the end of the
    block, later searches leave out too. Within another such block nothing changes.
    """
    if not gc.isenabled():
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()
