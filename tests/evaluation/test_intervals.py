import pytest

from facesent.evaluation.intervals import share_of


def test_wilsons_interval() -> None:
    # Brown, Cai and DasGupta's formula by hand, with z = 1.959964.
    estimate = share_of(8, 10, 0.95)
    assert (estimate.value, estimate.right) == (0.8, 8)
    assert (estimate.low, estimate.high) == pytest.approx((0.490162, 0.943318), abs=1e-6)


@pytest.mark.parametrize(("right", "end"), [(14, 1.0), (0, 0.0)])
def test_all_or_none_of_a_few_is_not_certain(right: int, end: float) -> None:
    estimate = share_of(right, 14, 0.95)
    assert end in (estimate.low, estimate.high)
    assert 0.2 < estimate.high - estimate.low < 0.25


def test_of_no_images_nothing_is_known() -> None:
    estimate = share_of(0, 0, 0.95)
    assert (estimate.low, estimate.high) == (0, 1)
