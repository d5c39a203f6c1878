import numpy as np
import pytest

from facesent.serving.export.check import Parity, compare

PROBABILITIES = np.array([[0.2, 0.8], [0.7, 0.3]], np.float32)


def test_rounding_is_no_difference() -> None:
    parity = compare(PROBABILITIES, PROBABILITIES + np.float32(5e-6))
    assert parity.holds
    assert (parity.images, parity.other_labels) == (2, 0)


def test_more_than_rounding_is_one() -> None:
    assert not compare(PROBABILITIES, PROBABILITIES + np.float32(5e-5)).holds


def test_another_label_is_one_however_near() -> None:
    even = np.array([[0.5, 0.5]], np.float32)
    tilted = even + np.array([[-1e-6, 1e-6]], np.float32)
    assert compare(even, tilted) == Parity(1, pytest.approx(1e-6, rel=0.1), 1)
    assert not compare(even, tilted).holds


def test_no_number_is_no_agreement() -> None:
    assert not compare(PROBABILITIES, PROBABILITIES * np.nan).holds


@pytest.mark.parametrize(("expected", "received"), [(PROBABILITIES, PROBABILITIES[:1]), (PROBABILITIES[:0],) * 2])
def test_what_cannot_be_compared_is_an_error(expected: object, received: object) -> None:
    with pytest.raises(ValueError, match="Expected probabilities"):
        compare(expected, received)  # type: ignore[arg-type]
