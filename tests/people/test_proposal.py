"""Groups are proposed for the images that have none, written beside those that are given, and come back."""

import hashlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from facesent.core.errors import DataError
from facesent.dataset.assignment import COLUMNS
from facesent.dataset.manifest import scan
from facesent.people.grouping import Faces
from facesent.people.proposal import Proposal, apply, known_people, propose
from tests.helpers.relabelling import contents, go_back


def picture(data: Path, name: str, person: int, photo: int) -> None:
    """A picture that says who is on it: the colour of its left upper pixel."""
    pixels = np.random.default_rng(1000 * person + photo).integers(0, 256, (8, 8, 3), dtype=np.uint8)
    pixels[0, 0] = person
    (data / name).parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(data / name)


def embeddings(files: Mapping[str, Path]) -> Faces:
    people = [int(np.asarray(Image.open(file))[0, 0, 0]) for file in files.values()]
    noise = np.random.default_rng(0).standard_normal((len(people), 256))
    return np.asarray(np.eye(256)[people] + 0.01 * noise, np.float32)


def looked_at(data: Path) -> Proposal:
    return propose(scan(data, max_pixels=10_000, workers=1), data, embeddings)


def groups(data: Path) -> dict[str, str]:
    table = pd.read_csv(data / "metadata.csv", dtype=str, keep_default_na=False)
    return dict(zip(table["file_name"], table["group"], strict=True))


@pytest.fixture
def data(project: Path) -> Path:
    """200 images of 100 people, most of whom nobody knows."""
    folder = Path("data")
    for person in range(100):
        for photo in range(2):
            picture(folder, f"{'Happy' if photo else 'Sad'}/{person}.png", person, photo)
    (folder / "metadata.csv").write_text('file_name,note,group\nSad/0.png,"a, b",ann\nSad/7.png,x,\nHappy/7.png,,bob\n')
    return folder


def test_groups_are_proposed_beside_those_that_are_given(data: Path) -> None:
    before = contents(data)
    installed = apply(looked_at(data), data)
    after = groups(data)
    assert (after["Sad/0.png"], after["Happy/0.png"]) == ("ann", "ann")
    assert (after["Sad/7.png"], after["Happy/7.png"]) == ("bob", "bob")
    assert '\nSad/0.png,"a, b",ann\n' in (data / "metadata.csv").read_text()
    for person in range(100):
        assert after[f"Sad/{person}.png"] == after[f"Happy/{person}.png"]
    assert len(set(after.values())) == 100
    assert sum(group.startswith("proposed-") for group in set(after.values())) == 98
    pixels = {name: content for name, content in contents(data).items() if name != "metadata.csv"}
    assert pixels == {name: content for name, content in before.items() if name != "metadata.csv"}

    manifest = scan(data, max_pixels=10_000, workers=1)
    assert propose(manifest, data, lambda files: pytest.fail(f"embedded {len(files)}")).new.empty
    assert len(known_people(manifest, data)[0]) == 4
    go_back(installed)
    assert contents(data) == before


def test_new_images_join_groups_whose_names_stay(data: Path) -> None:
    apply(looked_at(data), data)
    before = groups(data)
    picture(data, "Happy/again.png", 3, photo=7)
    for photo in range(2):
        picture(data, f"Sad/new{photo}.png", 150, photo)
    (data / "Sad/copy.png").write_bytes((data / "Sad/9.png").read_bytes())
    proposal = looked_at(data)
    assert set(proposal.joined["file_name"]) == {"Happy/again.png", "Sad/copy.png"}
    apply(proposal, data)
    after = groups(data)
    assert {name: after[name] for name in before} == before
    assert after["Happy/again.png"] == before["Sad/3.png"]
    assert after["Sad/copy.png"] == before["Sad/9.png"]
    assert after["Sad/new0.png"] == after["Sad/new1.png"]
    assert after["Sad/new0.png"] not in set(before.values())


def test_the_name_of_a_group_depends_on_its_images_alone(data: Path) -> None:
    one = looked_at(data).images.set_index("sha256")["group"]
    (data / "Sad/5.png").rename(data / "Happy/a.png")
    for photo in range(2):
        picture(data, f"Sad/0new{photo}.png", 150, photo)
    other = looked_at(data).images.set_index("sha256")["group"]
    assert (other[one.index] == one).all()


def test_groups_that_are_in_two_splits_so_far_are_counted(data: Path) -> None:
    def assignment(of: Mapping[str, str]) -> pd.DataFrame:
        rows = [(hashlib.sha256((data / name).read_bytes()).hexdigest()[:16], "", "0" * 16, split, "", "")
                for name, split in of.items()]  # fmt: skip
        return pd.DataFrame(rows, columns=list(COLUMNS))

    proposal = looked_at(data)
    assert proposal.torn(assignment({})).empty
    assert proposal.torn(assignment({"Sad/1.png": "test", "Happy/1.png": "test", "Sad/2.png": "train"})).empty
    torn = proposal.torn(assignment({"Sad/1.png": "test", "Happy/1.png": "train", "Sad/2.png": "train"}))
    assert list(torn) == [2]
    assert torn.index[0].startswith("proposed-")


def test_images_that_changed_meanwhile_stop_it(data: Path) -> None:
    proposal = looked_at(data)
    picture(data, "Sad/5.png", 90, photo=9)
    before = contents(data)
    with pytest.raises(DataError, match="Run it again"):
        apply(proposal, data)
    assert contents(data) == before


def test_images_that_cannot_be_read_are_left_alone(data: Path) -> None:
    (data / "Sad/broken.png").write_text("no image")
    proposal = looked_at(data)
    assert proposal.unreadable == 1
    assert "Sad/broken.png" not in set(proposal.images["file_name"])


def test_people_to_compare_with_are_those_that_somebody_named(data: Path) -> None:
    with pytest.raises(DataError, match="people with several photos"):
        known_people(scan(data, max_pixels=10_000, workers=1), data)
