"""Whatever happens to the images, nobody who is left alone is moved to another split."""

import hashlib
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from facesent.dataset.assignment import (
    COLUMNS,
    AssignmentError,
    identities,
    read_assignment,
    remembered,
    unseen,
    write_assignment,
)
from facesent.dataset.splits import SplitError, SplitReport, split

QUICK, SEQUENCES = 6, 200
EDITS = 4
DISTANCE = 4
NOTHING = pd.DataFrame(columns=list(COLUMNS), dtype=str)


def divide(manifest: pd.DataFrame, memory: pd.DataFrame) -> tuple[pd.DataFrame, SplitReport, pd.DataFrame]:
    result, placed, report = split(
        manifest, memory, val=0.1, test=0.1, seed=7, near_duplicate_distance=DISTANCE, torn="leave_out"
    )
    return result, report, placed


class Collection:
    """Images that people work on: 500, of people and of nobody, some alike; each has an id for good."""

    def __init__(self, rng: np.random.Generator) -> None:
        self.rng = rng
        self.images: list[dict[str, Any]] = []
        self.gone: list[dict[str, Any]] = []
        for _ in range(500):
            self.add(None if rng.random() < 0.3 else f"p{rng.integers(1, 90)}")
        for image, other in zip(self.some(20), self.some(20), strict=True):
            image["phash"] = self.near(other["phash"])

    @property
    def manifest(self) -> pd.DataFrame:
        table = pd.DataFrame(self.images).astype({"group": "str", "split": "str"})
        return table.assign(phash_mirrored=table["phash"].map(mirrored), ok=True)

    def add(self, person: str | None, phash: str | None = None) -> None:
        label, number = "ABCDE"[min(self.rng.integers(0, 8), 4)], self.rng.integers(0, 2**63)
        self.images.append(
            {
                "id": number, "file_name": f"{label}/{number}.png", "label": label, "group": person, "split": None,
                "sha256": self.content(), "phash": phash or f"{self.rng.integers(0, 2**64, dtype=np.uint64):016x}",
            }
        )  # fmt: skip

    def content(self) -> str:
        return f"{self.rng.integers(0, 2**63):016x}".ljust(64, "0")

    def near(self, phash: str) -> str:
        """A hash two bits away."""
        one, other = (1 << int(bit) for bit in self.rng.choice(64, 2, replace=False))
        return f"{int(phash, 16) ^ one ^ other:016x}"

    def some(self, count: int) -> list[dict[str, Any]]:
        return [self.images[row] for row in self.rng.choice(len(self.images), count, replace=False)]

    def edit(self) -> None:
        """One of the things that people do, to a few images."""
        match int(self.rng.integers(0, 11)):
            case 0:
                for _ in range(10):
                    self.add(None)
            case 1:
                for person in self.rng.integers(0, 2**63, 3):
                    for _ in range(4):
                        self.add(f"p{person}")
            case 2:
                for image in self.some(5):
                    self.add(image["group"])
            case 3:
                gone = self.some(10)
                self.gone += gone
                self.images = [image for image in self.images if image not in gone]
            case 4:
                for image in self.some(10):
                    image["label"] = "A"
            case 5:
                # Saved anew: other bytes, nearly the same picture.
                for image in self.some(10):
                    image.update(sha256=self.content(), phash=self.near(image["phash"]))
            case 6:
                for image in self.some(10):
                    image["file_name"] = f"A/{self.rng.integers(0, 2**63)}.png"
            case 7:
                # Nearly the picture of one, and of the person of another.
                one, other = self.some(2)
                self.add(other["group"], self.near(one["phash"]))
            case 8:
                for image in self.some(3):
                    self.add(image["group"], self.near(mirrored(image["phash"])))
            case 9:
                for image in self.some(3):
                    image.update(sha256=self.content(), phash=self.near(mirrored(image["phash"])))
            case 10:
                # Brought back, under another number: nobody left them alone.
                self.images += [image | {"id": self.rng.integers(0, 2**63)} for image in self.gone]
                self.gone = []


def mirrored(phash: str) -> str:
    """That of a mirror image, whose own mirror image is the picture again."""
    return f"{int(phash, 16) ^ 0x5555555555555555:016x}"


def places(manifest: pd.DataFrame, result: pd.DataFrame) -> pd.Series:
    """The split of each image that is in one, by id."""
    return manifest.set_index("file_name")["id"].reset_index().merge(result, on="file_name").set_index("id")["split"]


def linked_across(result: pd.DataFrame) -> int:
    """Pairs of images of one content, one person or nearly the same photo that are in two splits."""
    seen = result["source_phash"].str[:16].mask(result["source_phash"] == "", result["phash"])
    hashes = np.array([int(text, 16) for text in seen], dtype=np.uint64)
    mirrors = np.array([int(mirrored(text), 16) for text in seen], dtype=np.uint64)
    linked = np.bitwise_count(hashes[:, None] ^ hashes[None]) <= DISTANCE
    linked |= np.bitwise_count(hashes[:, None] ^ mirrors[None]) <= DISTANCE
    for name in ("content", "person"):
        values = result[name].to_numpy()
        linked |= (values[:, None] == values[None]) & (values != "")[:, None]
    splits = result["split"].to_numpy()
    return int((linked & (splits[:, None] != splits[None])).sum())


def half_cut(whole: pd.DataFrame) -> pd.DataFrame:
    """Every second photo is cut to a face; of one that was saved anew it is another picture."""
    cut = whole["id"] % 2 == 0
    contents = whole["sha256"].map(lambda content: hashlib.sha256(content.encode()).hexdigest())
    faces = whole.assign(
        sha256=contents,
        phash=contents.str[:16],
        phash_mirrored=contents.str[:16].map(mirrored),
        source_sha256=whole["sha256"],
        source_phash=whole["phash"] + whole["phash_mirrored"],
    )
    return pd.concat([whole[~cut], faces[cut]], ignore_index=True)


@pytest.mark.parametrize("photos", [pd.DataFrame.copy, half_cut])
@pytest.mark.parametrize(
    "sequence", [*range(QUICK), *(pytest.param(number, marks=pytest.mark.long) for number in range(QUICK, SEQUENCES))]
)
def test_an_image_that_is_left_alone_is_never_moved(
    sequence: int, photos: Callable[[pd.DataFrame], pd.DataFrame]
) -> None:
    collection = Collection(np.random.default_rng(sequence))
    result, _, memory = divide(photos(collection.manifest), NOTHING)
    before = places(collection.manifest, result)
    for _ in range(EDITS):
        for _ in range(5):
            collection.edit()
        result, report, memory = divide(photos(collection.manifest), memory)
        after = places(collection.manifest, result)
        both = before.index.intersection(after.index)
        assert (before[both] == after[both]).all()
        assert linked_across(result) == 0
        # Nor is it left out.
        assert before.index.intersection(collection.manifest["id"]).isin(after.index).all()
        assert len(report.left_out) <= 0.01 * len(collection.manifest)
        assert 0.08 <= (result["split"] == "test").mean() <= 0.12
        before = after


def test_people_who_turn_out_to_be_one_are_not_moved_and_their_image_that_changed_is_left_out() -> None:
    collection = Collection(np.random.default_rng(0))
    manifest = collection.manifest
    result, _, memory = divide(manifest, NOTHING)
    place = result.set_index("file_name")["split"]
    manifest.index = manifest["file_name"]
    in_train = manifest[(place == "train").reindex(manifest.index) & manifest["group"].notna()]
    in_test = manifest[(place == "test").reindex(manifest.index) & manifest["group"].notna()]
    manifest.loc[in_test.index[0], "group"] = in_train["group"].iloc[0]

    after, report, _ = divide(manifest.reset_index(drop=True), memory)
    assert list(report.left_out) == [in_test.index[0]]
    assert report.left_out[in_test.index[0]] == "it belongs to images in train and test"
    kept = after.set_index("file_name")["split"]
    assert (kept == place[kept.index]).all()
    assert any("facesent data resplit" in warning for warning in report.warnings)


def test_an_image_that_is_like_one_that_is_gone_stays_where_that_was() -> None:
    collection = Collection(np.random.default_rng(1))
    result, _, memory = divide(collection.manifest, NOTHING)
    tested = result[(result["split"] == "test") & (result["person"] == "")].iloc[0]
    collection.images = [image for image in collection.images if image["file_name"] != tested["file_name"]]
    _, _, memory = divide(collection.manifest, memory)
    collection.add(None, collection.near(tested["phash"]))

    result, _, _ = divide(collection.manifest, memory)
    assert result.set_index("file_name")["split"][collection.images[-1]["file_name"]] == "test"


def test_of_images_saved_anew_and_a_new_one_between_them_the_new_one_is_left_out() -> None:
    collection = Collection(np.random.default_rng(1))
    result, _, memory = divide(collection.manifest, NOTHING)
    place = result.set_index("file_name")["split"]
    tested = next(image for image in collection.images if image["group"] and place[image["file_name"]] == "test")
    trained = next(image for image in collection.images if not image["group"] and place[image["file_name"]] == "train")
    for image in (tested, trained):
        image["sha256"] = collection.content()
    collection.add(tested["group"], collection.near(trained["phash"]))

    after, report, _ = divide(collection.manifest, memory)
    assert list(report.left_out) == [collection.images[-1]["file_name"]]
    assert after.set_index("file_name")["split"].equals(place)


def test_an_image_that_mirrors_one_that_is_gone_stays_where_that_was() -> None:
    collection = Collection(np.random.default_rng(1))
    result, _, memory = divide(collection.manifest, NOTHING)
    place = result.set_index("file_name")["split"]
    for image in collection.images:
        image.update(sha256=collection.content(), phash=collection.near(mirrored(image["phash"])), group=None)

    after, report, _ = divide(collection.manifest, memory)
    assert not report.left_out
    assert after.set_index("file_name")["split"].equals(place)


def test_images_of_train_that_belong_to_given_test_images_are_left_out_unless_they_shall_stay() -> None:
    manifest = Collection(np.random.default_rng(2)).manifest
    person = manifest["group"].value_counts().index[0]
    rows = manifest.index[manifest["group"] == person]
    manifest.loc[rows, "split"] = ["test", *["train"] * (len(rows) - 1)]
    settings = {"val": 0.1, "test": 0.1, "seed": 7, "near_duplicate_distance": DISTANCE}

    result, _, report = split(manifest, NOTHING, torn="leave_out", **settings)
    assert set(report.left_out) == set(manifest.loc[rows[1:], "file_name"])
    assert linked_across(result) == 0
    result, _, report = split(manifest, NOTHING, torn="keep", **settings)
    assert not report.left_out
    assert len(report.torn) == 1


def test_a_split_that_nothing_is_left_of_is_an_error() -> None:
    manifest = Collection(np.random.default_rng(8)).manifest.assign(group=None)
    result, _, memory = divide(manifest, NOTHING)
    kept = manifest[manifest["file_name"].isin(result.loc[result["split"] != "test", "file_name"])][:150]
    person = (
        Collection(np.random.default_rng(9)).manifest[:100].assign(group="ann", file_name=lambda t: "n" + t.file_name)
    )
    with pytest.raises(SplitError, match="Received: none in test"):
        divide(pd.concat([kept, person]), memory)


@pytest.mark.parametrize("crowd", ["of one person", "of one picture"])
def test_a_crowd_of_thousands_of_photos_in_two_splits_takes_no_memory_by_the_square(crowd: str) -> None:
    rng, count = np.random.default_rng(10), 4000
    phash = pd.Series([f"{number:016x}" for number in rng.integers(0, 2**63, count)])
    in_crowd = np.arange(count) < count - 400
    if crowd == "of one picture":
        phash[in_crowd] = phash[0]
    manifest = pd.DataFrame(
        {
            "file_name": [f"{'AB'[row % 2]}/{row}.jpg" for row in range(count)],
            "label": ["AB"[row % 2] for row in range(count)],
            "group": np.where(in_crowd & (crowd == "of one person"), "ann", None),
            "split": np.where(np.arange(count) < count // 2, np.where(np.arange(count) < 400, "test", "train"), None),
            "sha256": [hashlib.sha256(b"%d" % row).hexdigest() for row in range(count)],
            "phash": phash,
            "phash_mirrored": phash.str[::-1],
            "ok": True,
        }
    ).astype({"group": "str", "split": "str"})
    tracemalloc.start()
    try:
        result, report, _ = divide(manifest, NOTHING)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    # Those that are tested on are kept: 400 photos, and 400 that belong to nothing.
    assert (len(result), len(report.left_out)) == (800, 3200)
    # The crowd's 13 million pairs took 25 bytes each.
    assert peak < 150e6


def test_a_class_that_nothing_is_trained_on_is_an_error() -> None:
    manifest = Collection(np.random.default_rng(3)).manifest
    manifest.loc[manifest["label"] == "E", "split"] = "val"
    manifest["group"] = None
    with pytest.raises(SplitError, match=r"E (in train|only in val or test)"):
        divide(manifest, NOTHING)


def test_the_table_names_nobody_and_comes_back_as_it_was(tmp_path: Path) -> None:
    collection = Collection(np.random.default_rng(4))
    for image in collection.images:
        image["group"] = "Ada Lovelace"
    path = tmp_path / "assignment.csv"
    known = identities(collection.manifest).assign(split="train")
    write_assignment(path, remembered(NOTHING, known))
    assert "Ada" not in path.read_text()
    assert read_assignment(path)["content"].is_monotonic_increasing
    written = path.read_bytes()
    write_assignment(path, remembered(read_assignment(path), known))
    assert path.read_bytes() == written


HEADER, A, B = "content,person,phash,split\n", "a" * 16, "b" * 16


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (f"{HEADER}{A},,{B},train\n{A},,{B},test\n", rf"{A} \(test\), {A} \(train\)"),
        (f"{HEADER}<<<<<<< HEAD\n{A},,{B},train\n", "conflict markers of a merge"),
        ("content,person,split\na,,train\n", "git checkout assignment.csv"),
        (f"{HEADER}{A},,{B},exam\n", f"in line 2 {A},,{B},exam"),
        (f"{HEADER}{A},,{B},train\n1.23E+15,,{B},train\n", "in line 3 1.23E"),
        (f"{HEADER}{A},,{B},train\n{A},,,{B},train\n", "Expected 4 fields in line 3, saw 5"),
        (f"{HEADER}{A},,{B}\n", f"in line 2 {A},,{B},"),
        ("", "No columns to parse"),
        ("\udcff\udcfe", "not UTF-8"),
    ],
)
def test_a_table_that_two_copies_of_the_project_made_differently_is_named(
    tmp_path: Path, text: str, message: str
) -> None:
    path = tmp_path / "assignment.csv"
    path.write_bytes(text.encode(errors="surrogateescape"))
    with pytest.raises(AssignmentError, match=message):
        read_assignment(path)


def test_a_row_that_a_merge_kept_twice_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "assignment.csv"
    collection = Collection(np.random.default_rng(5))
    _, _, memory = divide(collection.manifest, NOTHING)
    write_assignment(path, memory)
    header, *rows = path.read_text().splitlines(keepends=True)
    once = read_assignment(path)
    path.write_text("".join([header, *rows, *rows[::3]]))
    assert read_assignment(path).equals(once)
    for _ in range(20):
        collection.add(None)
    expected, report, _ = divide(collection.manifest, once)
    result, again, _ = divide(collection.manifest, read_assignment(path))
    assert result.equals(expected)
    assert again == report


def test_what_a_model_has_seen_is_known_by_content_person_picture_and_photo() -> None:
    columns, new = ["content", "person", "phash", "source", "source_phash"], "00ff00ff00ff00ff"
    photo, turned = "0f" * 8, mirrored("0f" * 8)
    rows = [("a", "p", "0000000000000000", "", ""), ("b", "", "ffffffffffffffff", "whole", photo + turned),
            ("big", "", "0" * 16, "", "")]  # fmt: skip
    seen = pd.DataFrame(rows, columns=columns)
    images = pd.DataFrame(
        [("a", "", new, "", ""), ("c", "p", new, "", ""), ("d", "", "fffffffffffffff0", "", ""),
         ("whole", "", new, "", ""), ("g", "", new, "whole", ""), ("h", "", new, "big", ""),
         ("edited", "", "0f" * 7 + "0e", "", ""), ("turned", "", turned, "", ""),
         ("edited and cut", "", new, "edited", "0f" * 7 + "0e" + turned),
         ("e", "", "ffffffffffffffe0", "", ""), ("f", "q", new, "other", "33" * 8 + mirrored("33" * 8))],
        columns=columns,
    )  # fmt: skip
    twice = pd.concat([images, pd.DataFrame([("f", "p", new, "", "")], columns=columns)])
    assert unseen(images["content"], images, seen, 4).tolist() == [False] * 9 + [True, True]
    assert unseen(pd.Series(["f", "e"]), twice, seen, 4).tolist() == [False, True]


def cut(whole: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    """Other contents and pictures of the same photos."""
    phash = pd.Series([f"{number:016x}" for number in rng.integers(0, 2**64, len(whole), dtype=np.uint64)])
    return whole.assign(
        sha256=[hashlib.sha256(content.encode()).hexdigest() for content in whole["sha256"]],
        phash=phash,
        phash_mirrored=phash.map(mirrored),
        source_sha256=whole["sha256"],
        source_phash=whole["phash"] + whole["phash_mirrored"],
    )


@pytest.mark.parametrize("cut_first", [False, True])
def test_a_photo_stays_in_its_split_whole_or_cut(tmp_path: Path, cut_first: bool) -> None:
    rng = np.random.default_rng(5)
    # Without pictures that are alike: such a pair may tie two splits together, whole or cut.
    whole = cut(Collection(rng).manifest, rng).assign(source_sha256=None, source_phash=None)
    faces = cut(whole, rng)
    before, after = (faces, whole) if cut_first else (whole, faces)
    first, _, memory = divide(before, NOTHING)
    write_assignment(tmp_path / "assignment.csv", memory)
    second, report, memory = divide(after, read_assignment(tmp_path / "assignment.csv"))
    names = first.set_index("file_name")["split"]
    assert (second.set_index("file_name")["split"] == names[second["file_name"]]).all()
    assert not report.left_out
    write_assignment(tmp_path / "assignment.csv", memory)
    third, report, _ = divide(pd.concat([whole, faces.assign(file_name=faces["file_name"] + ".cut")]), memory)
    assert (third["split"].to_numpy() == names[third["file_name"].str.removesuffix(".cut")].to_numpy()).all()
    assert not report.left_out
    assert len(third) == 2 * len(whole)


def test_another_cut_of_a_photo_follows_it() -> None:
    rng = np.random.default_rng(5)
    faces = cut(Collection(rng).manifest, rng)
    first, _, memory = divide(faces, NOTHING)
    row = int(np.flatnonzero((first["split"] == "test") & (first["person"] == ""))[0])
    name = first["file_name"][row]
    again = faces[faces["file_name"] == name].assign(sha256="f" * 64, phash="0123456789abcdef", phash_mirrored="f" * 16)
    second, _, _ = divide(pd.concat([faces[faces["file_name"] != name], again]), memory)
    assert second.set_index("file_name")["split"][name] == "test"


@pytest.mark.parametrize("gone", [False, True])
@pytest.mark.parametrize("turned", [False, True])
def test_a_cut_of_an_edited_photo_follows_the_photo(gone: bool, turned: bool) -> None:
    collection = Collection(np.random.default_rng(5))
    faces = cut(collection.manifest, collection.rng)
    first, _, memory = divide(faces, NOTHING)
    row = int(np.flatnonzero((first["split"] == "test") & (first["person"] == ""))[0])
    old = faces[faces["file_name"] == first["file_name"][row]]
    looks = [collection.near(old["source_phash"].iloc[0][start : start + 16]) for start in (0, 16)]
    new = old.assign(
        file_name="A/edited.png",
        sha256="f" * 64,
        phash="0123456789abcdef",
        phash_mirrored=mirrored("0123456789abcdef"),
        source_sha256="e" * 64,
        source_phash="".join(reversed(looks) if turned else looks),
    )
    kept = faces[faces["file_name"] != old["file_name"].iloc[0]] if gone else faces
    second, report, _ = divide(pd.concat([kept, new], ignore_index=True), memory)
    assert not report.left_out
    assert second.set_index("file_name")["split"]["A/edited.png"] == "test"


def test_a_table_of_cuts_from_before_photos_had_hashes_is_read(tmp_path: Path) -> None:
    rng, path = np.random.default_rng(5), tmp_path / "assignment.csv"
    faces = cut(Collection(rng).manifest, rng)
    _, _, memory = divide(faces, NOTHING)
    memory.drop(columns="source_phash").to_csv(path, index=False)
    second, report, again = divide(faces, read_assignment(path))
    assert not report.left_out
    assert again.sort_values("content", ignore_index=True).equals(memory.sort_values("content", ignore_index=True))
    assert len(second) == len(memory)


def test_what_an_image_was_cut_from_is_remembered_when_metadata_is_lost() -> None:
    rng = np.random.default_rng(5)
    faces = cut(Collection(rng).manifest, rng)
    _, _, memory = divide(faces, NOTHING)
    _, _, again = divide(faces.assign(source_sha256=None, source_phash=None), memory)
    assert again.sort_values("content", ignore_index=True).equals(memory.sort_values("content", ignore_index=True))


def test_only_a_project_with_cuts_has_a_column_for_them(tmp_path: Path) -> None:
    path, rng = tmp_path / "assignment.csv", np.random.default_rng(5)
    whole = Collection(rng).manifest
    for manifest, header in (
        (whole, "content,person,phash,split"),
        (cut(whole, rng), "content,person,phash,split,source,source_phash"),
    ):
        _, _, memory = divide(manifest, NOTHING)
        write_assignment(path, memory)
        assert path.read_text().splitlines()[0] == header
        assert set(read_assignment(path).columns) == set(COLUMNS)


def test_people_who_are_called_alike_among_other_images_say_nothing() -> None:
    _, _, memory = divide(Collection(np.random.default_rng(5)).manifest, NOTHING)
    others = Collection(np.random.default_rng(6)).manifest
    result, _, both = divide(others, memory)
    expected, _, alone = divide(others, NOTHING)
    assert result.equals(expected)
    # Nor later, when these are remembered too.
    more = pd.concat(
        [others, Collection(np.random.default_rng(7)).manifest.assign(file_name=lambda t: "n" + t["file_name"])]
    )
    assert divide(more, both)[0].equals(divide(more, alone)[0])
