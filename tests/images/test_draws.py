import numpy as np
import pytest

from facesent.images.augmentation.draws import Stream, uniform
from facesent.images.augmentation.samples import draw
from facesent.images.augmentation.settings import Augment

GEOMETRY_ALONE = Augment(flip=True, rotation=15, zoom=0.2, shift=0.1)
ALL = Augment(flip=True, rotation=15, zoom=0.2, shift=0.1, occlude_eyes=0.5, gamma=0.5, mixup=0.2)


@pytest.mark.parametrize("stream", Stream)
def test_numbers_depend_on_seed_epoch_and_index_alone(stream: Stream) -> None:
    assert np.array_equal(uniform(7, 4, stream, 10, 6), uniform(7, 4, stream, 20, 6)[:10])
    assert not np.array_equal(uniform(7, 4, stream, 10, 6), uniform(7, 5, stream, 10, 6))
    assert not np.array_equal(uniform(7, 4, stream, 10, 6), uniform(8, 4, stream, 10, 6))


def test_streams_share_no_numbers() -> None:
    numbers = [uniform(7, epoch, stream, 20, 6) for stream in Stream for epoch in range(3)]
    assert len(np.unique(numbers)) == np.size(numbers)


def test_what_is_on_leaves_the_numbers_of_the_others() -> None:
    few, many = draw(GEOMETRY_ALONE, 7, 3, 10), draw(ALL, 7, 3, 10)
    assert set(few) == {Stream.GEOMETRY}
    assert set(many) == set(Stream) - {Stream.ORDER}
    assert np.array_equal(few[Stream.GEOMETRY], many[Stream.GEOMETRY])
