"""How good groups are is measured on few people too."""

import numpy as np
import pytest

from facesent.people.quality import measure


@pytest.mark.parametrize("count", [1, 2, 3])
def test_of_few_people_every_measure_is_a_number(count: int) -> None:
    people = np.repeat(np.arange(count), 3)
    faces = np.random.default_rng(0).normal(size=(len(people), 16)).astype(np.float32)
    found = measure(faces, people, threshold=0.0, largest_share=1.0)
    assert np.isfinite([found.recall, found.found, found.wrong, found.growth]).all()
