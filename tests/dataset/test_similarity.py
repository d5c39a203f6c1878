import numpy as np
import pandas as pd
import pytest

from facesent.dataset import similarity
from facesent.dataset.similarity import Labels, Neighbours, groups_of, join, near_duplicates


def as_text(hashes: list[int]) -> pd.Series:
    return pd.Series([f"{value:016x}" for value in hashes], dtype="str")


def none(count: int) -> pd.Series:
    return pd.Series([None] * count, dtype="str")


def same_partition(one: Labels, other: Labels) -> bool:
    pairs = set(zip(one.tolist(), other.tolist(), strict=True))
    return len(pairs) == len(set(one.tolist())) == len(set(other.tolist()))


def by_brute_force(hashes: list[int], distance: int) -> Labels:
    """Flood fill over all pairs."""
    labels = np.full(len(hashes), -1)
    for start in range(len(hashes)):
        stack = [start] if labels[start] < 0 else []
        while stack:
            here = stack.pop()
            labels[here] = start
            stack += [
                there
                for there in range(len(hashes))
                if labels[there] < 0 and (hashes[here] ^ hashes[there]).bit_count() <= distance
            ]
    return labels


@pytest.mark.parametrize("distance", [0, 1, 4, 7, 16])
@pytest.mark.parametrize("seed", range(3))
def test_near_duplicates_finds_just_what_comparing_all_pairs_finds(seed: int, distance: int) -> None:
    rng = np.random.default_rng(seed)
    hashes = [int(value) for value in rng.integers(0, 2**64, 60, dtype=np.uint64)]
    for _ in range(90):
        flips = rng.choice(64, rng.integers(0, 19), replace=False)
        hashes.append(hashes[rng.integers(len(hashes))] ^ sum(1 << int(bit) for bit in flips))

    assert same_partition(
        near_duplicates(as_text(hashes), none(len(hashes)), distance), by_brute_force(hashes, distance)
    )


@pytest.mark.parametrize("seed", range(20))
def test_groups_that_are_merged_while_a_crowd_is_compared_stay_apart(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A crowd is compared in many blocks, between which groups get other numbers."""
    monkeypatch.setattr(similarity, "_BLOCK", 40)
    rng = np.random.default_rng(seed)
    centres = [int(value) << 16 for value in rng.integers(0, 2**48, 4)]
    # All share the lower bits, and so a bucket; each centre's are close.
    hashes = [
        centre ^ (1 << int(rng.integers(16, 64))) ^ (1 << int(bit)) for centre in centres for bit in range(20, 40)
    ]
    hashes = [hashes[place] for place in rng.permutation(len(hashes))]
    assert same_partition(near_duplicates(as_text(hashes), none(len(hashes)), 4), by_brute_force(hashes, 4))


@pytest.mark.parametrize("distance", [1, 3, 4, 8])
def test_the_bound_is_exact_wherever_the_bits_differ(distance: int) -> None:
    rng = np.random.default_rng(distance)
    for _ in range(50):
        bits = rng.choice(64, distance + 1, replace=False)
        just, over = (sum(1 << int(bit) for bit in bits[:count]) for count in (distance, distance + 1))
        assert len(set(near_duplicates(as_text([0, just]), none(2), distance))) == 1
        assert len(set(near_duplicates(as_text([0, over]), none(2), distance))) == 2


def test_a_missing_hash_is_like_no_other() -> None:
    hashes = pd.Series([None, "0" * 16, None, "0" * 16], dtype="str")
    labels = near_duplicates(hashes, none(len(hashes)), 4)
    assert len(set(labels)) == 3
    assert labels[1] == labels[3]


def test_crowds_and_thousands_of_images_are_linked() -> None:
    rng = np.random.default_rng(0)
    spread = rng.integers(0, 2**64, 20_000, dtype=np.uint64)
    crowd = np.uint64(1) << rng.integers(0, 64, 5_000, dtype=np.uint64)
    labels = near_duplicates(as_text([int(value) for value in [*spread, *crowd]]), none(len(spread) + len(crowd)), 4)
    assert len(set(labels[20_000:])) == 1
    assert len(set(labels[:20_000])) > 19_990


def test_groups_of_leaves_missing_values_alone() -> None:
    labels = groups_of(pd.Series(["x", None, "x", None], dtype="str"))
    assert labels[0] == labels[2]
    assert len(set(labels)) == 3
    assert len(groups_of(pd.Series([], dtype="str"))) == 0


def test_join_follows_chains_through_every_clustering() -> None:
    person, content = np.array([0, 0, 1, 2, 3]), np.array([0, 1, 1, 2, 3])
    assert same_partition(join(5, [person, content]), np.array([0, 0, 0, 1, 2]))


def test_a_mirror_image_is_a_near_duplicate() -> None:
    one, turned, other = 2**40 - 1, 2**63 - 2**31, 2**20 - 1
    phash, mirrored = as_text([one, turned ^ 1, other, turned]), as_text([turned, one ^ 2, one, other])
    # The second mirrors the first. The third's mirror image is the first, but not the other way round.
    labels = near_duplicates(phash, mirrored, 4)
    assert labels[0] == labels[1]
    assert len({labels[0], labels[2]}) == 2


def looks_like(one: str, other: str, distance: int) -> bool:
    """Of two pictures, each its hash and that of its mirror image, where that is known."""
    (seen, *turned), (others_seen, *others_turned) = ([int(text[at : at + 16], 16) for at in range(0, len(text), 16)]
                                                      for text in (one, other))  # fmt: skip
    turns = [*((seen, each) for each in others_turned), *((each, others_seen) for each in turned)]
    near = [(left ^ right).bit_count() <= distance for left, right in turns]
    return (seen ^ others_seen).bit_count() <= distance or (near != [] and all(near))


@pytest.mark.parametrize("block", [1, 40, 1 << 22])
@pytest.mark.parametrize("distance", [0, 4])
def test_neighbours_are_those_that_comparing_one_by_one_finds(
    distance: int, block: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(similarity, "_BLOCK", block)
    rng = np.random.default_rng(distance)
    few = [*(int(value) for value in rng.integers(0, 2**64, 5, dtype=np.uint64))]

    def some_hash() -> str:
        return f"{few[rng.integers(5)] ^ (1 << int(rng.integers(64))):016x}"

    own = [None if rng.random() < 0.1 else some_hash() for _ in range(80)]
    turned = [None if each is None or rng.random() < 0.3 else some_hash() for each in own]
    photos = ["" if rng.random() < 0.7 else some_hash() + some_hash() for _ in own]
    pictures = [
        [text for text in (seen and seen + (mirrored or ""), photo) if text]
        for seen, mirrored, photo in zip(own, turned, photos, strict=True)
    ]
    images = pd.DataFrame({"phash": own, "mirrored": turned, "source_phash": photos}, dtype="str")
    neighbours = Neighbours(images, distance)
    for share in (0.02, 0.5):
        chosen = rng.random(len(own)) < share
        those = [text for texts, is_one in zip(pictures, chosen, strict=True) if is_one for text in texts]
        expected = [any(looks_like(one, other, distance) for one in texts for other in those) for texts in pictures]
        assert neighbours.of(chosen).tolist() == expected
