import numpy as np
import pytest

from facesent.dataset import folds
from facesent.dataset.folds import draw

CLASSES = np.array(["Angry", "Happy", "Sad"])


def images(count: int) -> np.ndarray:
    return np.random.default_rng(3).choice(CLASSES, count, p=[0.1, 0.3, 0.6])


def shares(labels: np.ndarray, chosen: np.ndarray) -> list[float]:
    return [float(chosen[labels == label].mean()) for label in CLASSES]


def test_many_single_images_are_drawn_as_well_as_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    labels, component = images(4000), np.arange(4000)
    bundled = draw(labels, component, 0.1, seed=1)
    monkeypatch.setattr(folds, "_BUNDLES_A_FOLD", 4000)
    plain = draw(labels, component, 0.1, seed=1)

    assert (bundled != plain).any(), "the fast path was taken"
    assert shares(labels, plain) == pytest.approx([0.1] * 3, abs=0.005)
    assert shares(labels, bundled) == pytest.approx([0.1] * 3, abs=0.01)


def test_few_single_images_are_drawn_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    labels, component = images(300), np.arange(300)
    chosen = draw(labels, component, 0.1, seed=1)
    monkeypatch.setattr(folds, "_BUNDLES_A_FOLD", 300)
    assert (draw(labels, component, 0.1, seed=1) == chosen).all()


def test_beside_many_single_images_groups_stay_whole() -> None:
    labels = images(3000)
    component = np.concatenate([np.arange(600).repeat(2), np.arange(600, 2400)])
    chosen = draw(labels, component, 0.2, seed=1)

    assert (chosen[:1200:2] == chosen[1:1200:2]).all()
    assert 0 < chosen[:1200].sum() < 1200
    assert shares(labels, chosen) == pytest.approx([0.2] * 3, abs=0.02)


def test_other_seeds_draw_other_images() -> None:
    labels, component = images(4000), np.arange(4000)
    assert (draw(labels, component, 0.1, seed=1) == draw(labels, component, 0.1, seed=1)).all()
    assert (draw(labels, component, 0.1, seed=1) != draw(labels, component, 0.1, seed=2)).any()


@pytest.mark.parametrize(("share", "expected"), [(-0.1, False), (0.0, False), (1.0, True), (1.2, True)])
def test_a_share_of_nothing_or_all_needs_no_draw(share: float, expected: bool) -> None:
    assert (draw(images(10), np.arange(10), share, seed=1) == expected).all()


@pytest.mark.parametrize("seed", range(5))
def test_a_class_is_not_drawn_as_one_person_where_others_are_there(seed: int) -> None:
    sad = np.repeat(np.arange(84), [36, 31, 22, 19, *[1] * 60, *[2] * 20])
    others = 100 + np.arange(800) // 2
    labels = np.repeat(["Sad", "Happy", "Neutral"], [len(sad), 400, 400])
    person = np.concatenate([sad, others])

    chosen = draw(labels, person, 0.1, seed)
    drawn = person[chosen & (labels == "Sad")]

    assert np.bincount(drawn).max() <= len(drawn) / 2
    assert len(drawn) == pytest.approx(0.1 * len(sad), rel=0.25)


def test_where_each_fold_is_one_person_the_share_is_kept() -> None:
    person = np.repeat(np.arange(10), 20)
    assert draw(np.full(200, "Sad"), person, 0.1, seed=1).sum() == 20
