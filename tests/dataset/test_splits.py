import re
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest

from facesent.dataset.assignment import COLUMNS as ASSIGNED
from facesent.dataset.reports import split_markdown
from facesent.dataset.similarity import crossing
from facesent.dataset.splits import COLUMNS, SplitError, SplitReport, Torn, split

NOTHING = pd.DataFrame(columns=list(ASSIGNED), dtype=str)


def make_manifest(
    labels: list[str], *, groups: list[str | None] | None = None, splits: list[str | None] | None = None, seed: int = 0
) -> pd.DataFrame:
    """A manifest of images that have nothing in common but what is given."""
    rng = np.random.default_rng(seed)
    count = len(labels)
    return pd.DataFrame(
        {
            "file_name": [f"{label}/{index:05d}.png" for index, label in enumerate(labels)],
            "label": pd.Series(labels, dtype="str"),
            "group": pd.Series(groups or [None] * count, dtype="str"),
            "split": pd.Series(splits or [None] * count, dtype="str"),
            "sha256": [f"{value:016x}".ljust(64, "0") for value in rng.integers(0, 2**63, count)],
            "phash": [f"{value:016x}" for value in rng.integers(0, 2**64, count, dtype=np.uint64)],
            "phash_mirrored": [f"{value:016x}" for value in rng.integers(0, 2**64, count, dtype=np.uint64)],
            "ok": True,
        }
    )


def divide(
    manifest: pd.DataFrame,
    *,
    val: float = 0.1,
    test: float = 0.1,
    seed: int = 7,
    distance: int = 4,
    torn: Torn = "leave_out",
) -> tuple[pd.DataFrame, SplitReport]:
    placed, _, report = split(
        manifest, NOTHING, torn=torn, val=val, test=test, seed=seed, near_duplicate_distance=distance
    )
    return placed, report


def random_manifest(seed: int) -> pd.DataFrame:
    """Two to seven classes of unequal size, people of few or many images, some of them in several classes."""
    rng = np.random.default_rng(seed)
    count, classes = int(rng.integers(200, 700)), int(rng.integers(2, 8))
    shares = 0.4 / classes + 0.6 * rng.dirichlet(np.ones(classes))
    people = rng.integers(0, rng.integers(count // 10, count), count)
    labels = [f"c{value}" for value in rng.choice(classes, count, p=shares)]
    groups = [None if value % 7 == 0 else f"p{value}" for value in people]
    return make_manifest(labels, groups=groups, seed=seed)


def test_people_that_are_proposed_are_said_to_be() -> None:
    given = make_manifest(["A", "B"] * 50, groups=[f"p{index // 2}" for index in range(100)])
    proposed = given.assign(group=given["group"].where(given.index < 20, "proposed-" + given["group"]))
    for manifest, count, name in ((given, 0, "same person"), (proposed, 80, "same person, proposed")):
        report = divide(manifest)[1]
        assert report.proposed == count
        assert [kind.name for kind in report.links][-1] == name
        assert (f"The groups of {count} images were proposed" in split_markdown(report, 0)) == bool(count)


@pytest.mark.parametrize("seed", range(12))
def test_no_person_in_two_splits_and_each_class_near_its_share(seed: int) -> None:
    manifest = random_manifest(seed)
    val, test = np.random.default_rng(seed).choice([0.1, 0.15, 0.2, 0.3], 2)
    result, report = divide(manifest, val=val, test=test, seed=seed)

    people = manifest.set_index("file_name")["group"].loc[result["file_name"]].to_numpy()
    assert result.groupby(people)["split"].nunique().max() == 1
    assert sorted(result["file_name"]) == sorted(manifest["file_name"])
    for name, share in (("val", val), ("test", test)):
        received = (result["split"] == name).groupby(result["label"]).mean()
        # A small class cannot come nearer than one of its images, or people, allow.
        slack = 0.03 + 1.5 / result["label"].value_counts()
        assert ((received - share).abs() <= slack.loc[received.index]).all(), (name, share, received)
        assert (result["split"] == name).mean() == pytest.approx(share, abs=0.03)
    assert all(kind.found.pairs == 0 for kind in report.links)
    assert not report.torn


def test_the_result_depends_on_the_seed_but_not_on_the_order_of_rows() -> None:
    manifest = random_manifest(3)
    result, report = divide(manifest)
    shuffled, same_report = divide(manifest.sample(frac=1, random_state=1))
    other, _ = divide(manifest, seed=8)

    pd.testing.assert_frame_equal(result, shuffled)
    assert report == same_report
    assert not result.equals(other)
    assert tuple(result.columns)[: len(COLUMNS)] == COLUMNS
    assert result["file_name"].is_monotonic_increasing


def test_equal_content_similar_pictures_and_people_are_joined_into_one_component() -> None:
    manifest = make_manifest(["A", "B"] * 60)
    manifest.loc[[0, 10], "sha256"] = "f" * 64
    manifest.loc[10, "phash"], manifest.loc[20, "phash"] = f"{0:016x}", f"{0b1111:016x}"
    manifest.loc[[20, 31], "group"] = "someone"
    for seed in range(10):
        result, report = divide(manifest, seed=seed)
        linked = result[result["file_name"].isin(manifest.loc[[0, 10, 20, 31], "file_name"])]
        assert linked["split"].nunique() == 1
        assert linked["group"].nunique() == 1
        assert (report.groups, report.largest_group) == (117, 4)


def test_pictures_beyond_the_distance_are_not_joined() -> None:
    manifest = make_manifest(["A", "B"] * 60)
    manifest.loc[10, "phash"], manifest.loc[20, "phash"] = f"{0:016x}", f"{0b11111:016x}"
    assert divide(manifest, distance=4)[1].groups == 120
    assert divide(manifest, distance=5)[1].groups == 119


def test_the_quarantined_are_left_out() -> None:
    manifest = make_manifest(["A", "B"] * 60)
    manifest.loc[[3, 4], ["ok", "phash"]] = [False, None]
    result, report = divide(manifest)
    assert len(result) == report.images == 118
    assert not set(manifest.loc[[3, 4], "file_name"]) & set(result["file_name"])


def test_component_ids_stay_when_other_images_come() -> None:
    manifest = make_manifest(["A", "B"] * 60)
    few, _ = divide(manifest.iloc[:60])
    many, _ = divide(manifest)
    ids = many.set_index("file_name")["group"]
    assert list(ids.loc[few["file_name"]]) == list(few["group"])
    assert ids.is_unique


def test_given_splits_are_kept_and_the_rest_of_a_component_follows() -> None:
    people = [f"p{index // 4}" for index in range(400)]
    given: list[str | None] = [None] * 400
    given[0], given[5], given[9] = "test", "val", "train"
    manifest = make_manifest(["A", "B"] * 200, groups=people, splits=given)
    result, report = divide(manifest)

    placed = result.set_index("file_name")["split"].loc[manifest["file_name"]].to_numpy()
    assert set(placed[0:4]) == {"test"}
    assert set(placed[4:8]) == {"val"}
    assert set(placed[8:12]) == {"train"}
    assert report.given == 3
    assert (placed == "test").mean() == pytest.approx(0.1, abs=0.02)
    assert [warning.partition(" gives 1,")[0] for warning in report.warnings] == [
        "Of the images in val, metadata.csv", "Of the images in test, metadata.csv"
    ]  # fmt: skip


def test_what_is_given_counts_towards_the_shares() -> None:
    given = ["test"] * 40 + [None] * 360
    result, _ = divide(make_manifest(["A", "B"] * 200, splits=given))
    assert (result["split"] == "test").sum() == 40
    assert (result["split"] == "val").sum() == pytest.approx(40, abs=3)


@pytest.mark.parametrize(("own", "images"), [(20, 400), (7, 100), (10, 290)])
@pytest.mark.parametrize("name", ["val", "test"])
def test_images_drawn_beside_given_ones_are_warned_of_with_the_share_that_draws_none(
    own: int, images: int, name: str
) -> None:
    manifest = make_manifest(["A", "B"] * (images // 2), splits=[name] * own + [None] * (images - own))
    result, report = divide(manifest)
    [warning] = report.warnings
    more = (result["split"] == name).sum() - own
    assert more > 0
    assert warning.startswith(f"Of the images in {name}, metadata.csv gives {own}, and {more} more were drawn")
    found = re.search(rf"set split\.{name}: (0\.\d+) in params\.yaml and run: facesent data resplit$", warning)
    assert found
    assert own / images - 0.01 < float(found[1]) <= own / images

    result, report = divide(manifest, **{name: float(found[1])})
    assert not report.warnings
    assert set(result.loc[result["split"] == name, "file_name"]) == set(manifest["file_name"][:own])


def test_beside_given_ones_without_a_class_its_images_must_be_drawn_or_given() -> None:
    labels, given = ["A"] * 20 + ["A", "B"] * 190, ["test"] * 20 + [None] * 380
    [warning] = divide(make_manifest(labels, splits=given))[1].warnings
    assert warning.endswith("To draw none for test, give images of B that split too, as each class must be in it")


def test_images_drawn_beside_given_ones_are_warned_of_each_time() -> None:
    settings = {"val": 0.1, "seed": 7, "near_duplicate_distance": 4, "torn": "leave_out"}
    manifest = make_manifest(["A", "B"] * 200, splits=["test"] * 40 + [None] * 360)
    more = make_manifest(["A", "B"] * 100, seed=1).assign(file_name=lambda t: "n" + t["file_name"])
    _, memory, report = split(manifest, NOTHING, test=0.1, **settings)
    assert not report.warnings
    grown = pd.concat([manifest, more], ignore_index=True)
    _, memory, report = split(grown, memory, test=0.1, **settings)
    assert ["more were drawn" in warning for warning in report.warnings] == [True]
    _, _, again = split(grown, memory, test=0.1, **settings)
    assert again == report


def test_with_all_given_nothing_is_drawn() -> None:
    given = ["train", "val", "test", "train"] * 25
    manifest = make_manifest(["A"] * 50 + ["B"] * 50, splits=given)
    result, report = divide(manifest)
    assert list(result["split"]) == given
    assert report.given == 100
    assert any("25%" in warning for warning in report.warnings)


def test_a_leak_in_the_given_splits_is_kept_where_that_is_asked_for_and_reported() -> None:
    given = ["train", "test", "val", "train", "train"] * 20
    manifest = make_manifest(["A", "B"] * 50, splits=given)
    manifest.loc[[0, 1], "group"] = "someone"
    result, report = divide(manifest, torn="keep")

    assert list(result.set_index("file_name")["split"].loc[manifest["file_name"]]) == given
    assert report.torn == (("A/00000.png", "B/00001.png"),)
    person = next(kind for kind in report.links if kind.name == "same person")
    assert (person.found.pairs, person.found.held_out) == (1, 1)
    assert any("tears 1 groups" in warning for warning in report.warnings)


def test_given_splits_without_one_of_the_three_are_an_error() -> None:
    with pytest.raises(
        SplitError, match=r"none in val; metadata\.csv gives all 20 images another split\. Add"
    ) as raised:
        divide(make_manifest(["A", "B"] * 10, splits=["train", "test"] * 10))
    assert not re.search("resplit|near_duplicate_distance|torn", str(raised.value))
    manifest = make_manifest(["A", "B"] * 30, splits=["train", "train", "test"] * 20)
    with pytest.raises(SplitError, match="none in val"):
        divide(manifest)
    assert set(divide(manifest.assign(split=manifest["split"].mask(manifest.index % 3 == 0)))[0]["split"]) == {
        "train", "val", "test"
    }  # fmt: skip


def test_a_given_split_all_of_which_is_left_out_is_an_error_that_says_how_it_can_stay() -> None:
    manifest = make_manifest(["A", "B"] * 30, splits=["train"] * 40 + ["val", "test"] * 10)
    manifest = manifest.assign(group=manifest["group"].where(manifest.index < 40, "ann"))
    with pytest.raises(SplitError, match=r"all 50 images .*, and 10 that .* are left out\. .* set split\.torn: keep"):
        divide(manifest)
    assert (divide(manifest, torn="keep")[0]["split"] == "val").sum() == 10


def test_the_report_says_what_chance_would_have_torn() -> None:
    people = [f"p{index // 2}" for index in range(1000)]
    _, report = divide(make_manifest(["A"] * 500 + ["B"] * 500, groups=people))
    person = next(kind for kind in report.links if kind.name == "same person")

    assert (person.groups, person.images) == (500, 1000)
    # Two images fall into different splits with probability 1 - (.8² + .1² + .1²) = .34, one of them in train with .32.
    assert person.ungrouped.pairs == pytest.approx(170, abs=40)
    assert person.ungrouped.held_out == pytest.approx(160, abs=40)
    assert person.found.pairs == 0


def test_crossing_counts_pairs_and_held_out_images() -> None:
    labels = np.array([0, 0, 0, 1, 1, 2])
    found = crossing(labels, np.array(["train", "train", "test", "val", "test", "test"]))
    assert (found.pairs, found.held_out) == (3, 1)


def test_a_giant_component_is_warned_of_with_the_remedy() -> None:
    manifest = make_manifest(["A", "B"] * 100)
    # A chain: each hash is two bits from the next.
    steps = [((1 << 2 * (index % 33)) - 1) % 2**64 for index in range(66)]
    assert all((one ^ other).bit_count() <= 2 for one, other in pairwise(steps[:33]))
    manifest.loc[:65, "phash"] = [f"{value:016x}" for value in steps]
    _, report = divide(manifest, distance=2)
    assert report.largest_group == 66
    assert any("lower split.near_duplicate_distance" in warning for warning in report.warnings)

    manifest = make_manifest(["A", "B"] * 100, groups=["same"] * 60 + [None] * 140)
    _, report = divide(manifest)
    assert any("group column" in warning for warning in report.warnings)


def test_a_class_that_one_person_tests_is_warned_of() -> None:
    people = ["one"] * 20 + [f"p{index}" for index in range(280)]
    labels = ["B"] * 20 + ["A", "B"] * 140
    given = ["test"] * 20 + [None] * 280
    _, report = divide(make_manifest(labels, groups=people, splits=given))
    [warning, beside] = report.warnings
    assert "more were drawn" in beside
    assert warning.startswith("20 of the ")
    assert "images of B in test are of one person or linked" in warning


def test_a_class_with_three_groups_is_in_each_split() -> None:
    for seed in range(10):
        result, _ = divide(make_manifest(["A"] * 97 + ["B"] * 3, seed=seed), seed=seed)
        assert set(result.loc[result["label"] == "B", "split"]) == {"train", "val", "test"}


@pytest.mark.parametrize("people", [[None, None], ["p"] * 9])
def test_a_class_with_too_few_groups_is_an_error_that_names_it(people: list[str | None]) -> None:
    labels, groups = ["A"] * 50 + ["B"] * len(people), [None] * 50 + people
    with pytest.raises(SplitError, match=r"no B in (train|val|test)"):
        divide(make_manifest(labels, groups=groups))


def test_a_class_whose_pictures_are_all_alike_is_an_error_that_names_the_setting() -> None:
    manifest = make_manifest(["A"] * 50 + ["B"] * 50)
    manifest.loc[manifest["label"] == "B", "phash"] = "0" * 16
    with pytest.raises(SplitError, match=r"no B in .* lower split\.near_duplicate_distance .*it is 4.* Or add images"):
        divide(manifest)


def test_no_images_at_all_is_an_error() -> None:
    manifest = make_manifest(["A", "B"] * 5)
    with pytest.raises(SplitError, match="all 10 are quarantined"):
        divide(manifest.assign(ok=False))


def test_tiny_sets_are_divided() -> None:
    result, _ = divide(make_manifest(["A", "B"] * 3))
    assert set(result["split"]) == {"train", "val", "test"}
