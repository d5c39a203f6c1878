"""Faces are grouped by likeness: synthetic ones of known people."""

import numpy as np
import pytest

from facesent.people.grouping import Faces, Numbers, centred, group_faces, mutual_neighbours

THRESHOLD = 0.5
SEEDS = range(5)


def drawn(seed: int, people: int, photos: int, spread: float = 0.5) -> tuple[Faces, Numbers]:
    """Photos of people in mixed order, and who is on each."""
    rng = np.random.default_rng(seed)
    who = rng.permutation(np.repeat(np.arange(people), photos))
    faces = rng.standard_normal((people, 64))[who] + spread * rng.standard_normal((len(who), 64))
    return centred(faces.astype(np.float32)), who


def grouped(faces: Faces, known: Numbers | None = None, largest: int = 1000) -> tuple[Numbers, tuple[int, ...]]:
    free = np.full(len(faces), -1)
    found = group_faces(
        faces, np.ones(len(faces), np.int64), free if known is None else known, threshold=THRESHOLD, largest=largest
    )
    return found.labels, found.bridges


def together(labels: Numbers) -> np.ndarray:
    return np.asarray(labels[:, None] == labels)


@pytest.mark.parametrize("seed", SEEDS)
def test_people_that_are_clearly_apart_are_found(seed: int) -> None:
    faces, who = drawn(seed, people=60, photos=6)
    labels, bridges = grouped(faces)
    assert np.array_equal(together(labels), together(who))
    assert bridges == ()


@pytest.mark.parametrize("seed", SEEDS)
def test_the_order_of_the_images_does_not_matter(seed: int) -> None:
    faces, _ = drawn(seed, people=60, photos=4, spread=0.9)
    order = np.random.default_rng(seed).permutation(len(faces))
    assert np.array_equal(together(grouped(faces[order])[0]), together(grouped(faces)[0][order]))


@pytest.mark.parametrize("seed", SEEDS)
def test_no_group_is_too_large(seed: int) -> None:
    faces, _ = drawn(seed, people=4, photos=60)
    labels, _ = grouped(faces, largest=7)
    assert np.bincount(labels).max() <= 7


@pytest.mark.parametrize("seed", SEEDS)
def test_blocks_give_what_the_whole_gives(seed: int) -> None:
    faces, who = drawn(seed, people=50, photos=4, spread=0.9)
    known = np.where(np.random.default_rng(seed).random(len(who)) < 0.5, who, -1)
    whole = mutual_neighbours(faces, known, 0.1, count=5)
    blocks = mutual_neighbours(faces, known, 0.1, count=5, block=3 * len(faces))
    assert len(whole[0])
    assert all(np.array_equal(one, other) for one, other in zip(whole, blocks, strict=True))


@pytest.mark.parametrize("seed", SEEDS)
def test_groups_that_are_there_stay_and_take_what_is_new(seed: int) -> None:
    rng = np.random.default_rng(seed)
    faces, who = drawn(seed, people=60, photos=6, spread=0.7)
    known = np.where((rng.random(len(who)) < 0.6) & (who < 50), who, -1)
    labels, _ = grouped(faces, known)
    there = known >= 0
    assert np.array_equal(together(labels[there]), together(who[there]))
    new = ~there & np.isin(who, known)
    assert np.mean([labels[face] in labels[there & (who == who[face])] for face in np.flatnonzero(new)]) > 0.9
    founded = ~there & ~np.isin(who, known)
    assert not np.isin(labels[founded], labels[there]).any()


@pytest.mark.parametrize("seed", SEEDS)
def test_a_second_look_changes_nothing(seed: int) -> None:
    faces, _ = drawn(seed, people=80, photos=4, spread=1.1)
    labels, _ = grouped(faces)
    known = np.where((np.bincount(labels, minlength=len(labels)) > 1)[labels], labels, -1)
    assert (known < 0).any()
    assert np.array_equal(together(grouped(faces, known)[0]), together(labels))


def test_a_face_like_two_groups_is_named_and_joins_the_more_like() -> None:
    a, b = np.eye(4, dtype=np.float32)[:2]
    between = (0.8 * a + 0.6 * b) / np.float32(1)
    faces = np.stack([a, a, b, b, between])
    labels, bridges = grouped(faces, np.array([0, 0, 1, 1, -1]))
    assert bridges == (4,)
    assert labels[4] == labels[0] != labels[2]


@pytest.mark.parametrize("count", [1, 2])
def test_so_few_faces_are_no_trouble(count: int) -> None:
    faces = centred(np.ones((count, 4), np.float32))
    assert len(set(grouped(faces)[0])) == count
