import gc
from collections.abc import Iterator

import pytest

from facesent.core.imports import importing


@pytest.fixture(autouse=True)
def thawed() -> Iterator[None]:
    """Later tests of this process collect what this one froze."""
    yield
    gc.unfreeze()


def test_imports_are_spared_the_search_for_garbage_and_what_comes_after_them_is_not() -> None:
    with importing():
        assert not gc.isenabled()
    assert gc.isenabled()
    assert gc.get_freeze_count() > 0


def test_an_import_that_fails_leaves_the_search_on() -> None:
    with pytest.raises(ModuleNotFoundError), importing():
        import facesent.nothing  # type: ignore[import-not-found]  # noqa: F401
    assert gc.isenabled()


def test_within_a_block_another_one_changes_nothing() -> None:
    frozen = gc.get_freeze_count()
    with importing():
        with importing():
            assert not gc.isenabled()
        assert not gc.isenabled()
        assert gc.get_freeze_count() == frozen
    assert gc.isenabled()
