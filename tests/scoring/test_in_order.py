import pytest

from facesent.scoring.in_order import in_order


@pytest.mark.parametrize("most", [1, 2, 7, 20, 21, 1000])
def test_it_sorts_whatever_fits_in_memory(most: int) -> None:
    texts = [f"{number:03d}" for number in range(20)]
    mixed = [texts[(7 * number) % 20] for number in range(20)]
    assert list(in_order(iter(mixed), most)) == texts


def test_names_come_back_as_they_were() -> None:
    texts = ["two\nlines", "not \udce4 UTF-8", "ü", "", "a", "a"]
    assert list(in_order(texts, 2)) == sorted(texts)


def test_nothing_is_nothing() -> None:
    assert list(in_order([], 1)) == []
