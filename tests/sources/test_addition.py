"""Images added to those that are there."""

import hashlib
from pathlib import Path

import pytest

from facesent.core.errors import DataError
from facesent.dataset.metadata import read_metadata
from facesent.sources.addition import Added, add


def make(folder: Path, files: dict[str, str]) -> Path:
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(content)
    return folder


def added(tmp_path: Path, here: dict[str, str], new: dict[str, str]) -> tuple[Added, dict[str, str]]:
    data, source = make(tmp_path / "data", here), make(tmp_path / "new", new)
    result = add(source, data, tmp_path / "incoming")
    assert {path.relative_to(data).as_posix() for path in data.rglob("*.*")} == set(here)
    made = {path.relative_to(tmp_path / "incoming").as_posix(): path.read_text() for path in
            sorted((tmp_path / "incoming").rglob("*.*"))}  # fmt: skip
    return result, made


def test_nothing_is_overwritten_and_nothing_comes_in_twice(tmp_path: Path) -> None:
    here = {"Happy/1.jpg": "a", "Sad/1.jpg": "b"}
    result, made = added(tmp_path, here, {"Happy/1.jpg": "c", "Happy/2.jpg": "a", "Angry/1.jpg": "d"})
    renamed = next(name for name in result.images if name.startswith("Happy/1-"))
    assert made == {**here, renamed: "c", "Angry/1.jpg": "d"}
    assert result.known == ("Happy/2.jpg",)
    assert not result.conflicts


def test_a_class_that_differs_in_case_alone_is_the_one_that_is_there(tmp_path: Path) -> None:
    here = {"Happy/1.jpg": "a", "Zoë/1.jpg": "b"}
    new = {"happy/1.jpg": "a", "happy/2.jpg": "c", "ZOË/1.jpg": "d", "Sad/1.jpg": "e",
           "metadata.csv": "file_name,group\nhappy/2.jpg,Ann\nSad/1.jpg,Bob\nhappy\\1.jpg,Cy\n"}  # fmt: skip
    result, made = added(tmp_path, here, new)
    assert result.classes == (("ZOË", "Zoë"), ("happy", "Happy"))
    assert {name.split("/")[0] for name in made} == {"Happy", "Zoë", "Sad", "metadata.csv"}
    assert (made["Happy/2.jpg"], len(result.known), result.conflicts) == ("c", 1, ())
    rows = read_metadata(tmp_path / "incoming" / "metadata.csv", [name for name in made if "/" in name]).rows
    groups = {"Happy/1.jpg": "Cy", "Happy/2.jpg": "Ann", "Sad/1.jpg": "Bob"}
    assert {row["file_name"]: row["group"] for row in rows} == groups


def test_a_class_that_differs_in_punctuation_alone_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"differ in letters or digits\. Received: Very happy and very-happy\."):
        added(tmp_path, {"Very happy/1.jpg": "a", "Sad/1.jpg": "b"}, {"very-happy/1.jpg": "c"})
    assert not (tmp_path / "incoming").exists()


def test_a_content_under_another_label_is_added_and_told(tmp_path: Path) -> None:
    result, made = added(tmp_path, {"Happy/1.jpg": "a", "Sad/1.jpg": "b"}, {"Sad/2.jpg": "a"})
    assert made["Sad/2.jpg"] == "a"
    assert result.conflicts == (("Sad/2.jpg", "Happy/1.jpg"),)


def test_of_two_new_images_of_one_content_and_two_labels_each_is_named_as_it_came_in(tmp_path: Path) -> None:
    result, made = added(tmp_path, {"Happy/1.jpg": "a", "Sad/1.jpg": "b"}, {"Happy/1.jpg": "c", "Sad/2.jpg": "c"})
    ((name, other),) = result.conflicts
    assert (name, made[name], made[other]) == ("Sad/2.jpg", "c", "c")


def test_both_metadata_are_joined(tmp_path: Path) -> None:
    _, made = added(
        tmp_path,
        {"Happy/1.jpg": "a", "Sad/1.jpg": "b", "metadata.csv": "file_name,group\nHappy/1.jpg,Ann\n"},
        {"Happy/1.jpg": "c", "metadata.csv": "file_name,group,age\nHappy/1.jpg,Bob,7\n"},
    )
    lines = made["metadata.csv"].splitlines()
    assert lines[:2] == ["file_name,group,age", "Happy/1.jpg,Ann,"]
    assert lines[2].endswith(",Bob,7")
    assert lines[2].split(",")[0] in made


def test_what_is_new_of_an_image_that_is_there_fills_the_gaps(tmp_path: Path) -> None:
    _, made = added(
        tmp_path,
        {"Happy/1.jpg": "a", "Sad/1.jpg": "b", "metadata.csv": "file_name,age\nHappy/1.jpg,7\nSad/2.jpg,9\n"},
        {
            "Happy/new.jpg": "a",
            "Sad/2.jpg": "c",
            "metadata.csv": "file_name,group,age,split\nHappy/new.jpg,Ann,8,train\nSad/2.jpg,Bob,,\n",
        },
    )
    # Not where it is: it may have been tested on.
    assert made["metadata.csv"].splitlines() == ["file_name,age,group,split", "Happy/1.jpg,7,Ann,", "Sad/2.jpg,9,Bob,"]


def test_what_is_known_of_a_copy_among_the_new_ones_is_known_of_the_one_that_comes(tmp_path: Path) -> None:
    result, made = added(
        tmp_path,
        {"Happy/1.jpg": "a", "Sad/a.jpg": "b"},
        {"Sad/a.jpg": "c", "Sad/b.jpg": "c", "Sad/c.jpg": "c", "Sad/d.jpg": "d", "metadata.csv":
         "file_name,group,age,split\nSad/c.jpg,Cy,9,val\nSad/b.jpg,,8,test\nSad/a.jpg,,7,\nSad/d.jpg,Cy,,\n"},
    )  # fmt: skip
    name, _ = result.images
    assert (made[name], result.known, result.copies) == ("c", (), ("Sad/b.jpg", "Sad/c.jpg"))
    # Its own row has the say.
    assert made["metadata.csv"].splitlines()[1:] == [f"{name},Cy,7,val", "Sad/d.jpg,Cy,,"]


@pytest.mark.parametrize("second", ["Happy/2.jpg", "Happy\\2.jpg"])
def test_rows_of_images_that_are_still_to_come_stay_and_match_them_once_they_are_there(
    tmp_path: Path, second: str
) -> None:
    rows = f"file_name,group\nHappy/1.jpg,Ann\n{second},Ann\nHappy/3.jpg,Ann\n"
    _, made = added(
        tmp_path / "first",
        {"Happy/1.jpg": "a", "metadata.csv": rows},
        {"Happy/2.jpg": "b", "metadata.csv": "file_name,group\nHappy/2.jpg,Bob\n"},
    )
    assert made["metadata.csv"].splitlines() == ["file_name,group", "Happy/1.jpg,Ann", "Happy/3.jpg,Ann",
                                                 "Happy/2.jpg,Bob"]  # fmt: skip
    _, made = added(tmp_path / "then", made, {"Happy/3.jpg": "c"})
    known = read_metadata(tmp_path / "then" / "incoming" / "metadata.csv", [name for name in made if "/" in name])
    assert {row["file_name"]: row["group"] for row in known.rows} == {
        "Happy/1.jpg": "Ann", "Happy/2.jpg": "Bob", "Happy/3.jpg": "Ann",
    }  # fmt: skip
    assert not known.unmatched


def cut_from(**photos: str) -> str:
    """A metadata.csv with the SHA-256 of the content that each of Happy's images was cut from."""
    rows = [f"Happy/{name}.jpg,{hashlib.sha256(photo.encode()).hexdigest()}\n" for name, photo in photos.items()]
    return "".join(["file_name,source_sha256\n", *rows])


@pytest.mark.parametrize(
    ("here", "new"),
    [
        ({"Happy/1.jpg": "whole"}, {"Happy/2.jpg": "cut", "metadata.csv": cut_from(**{"2": "whole"})}),
        ({"Happy/1.jpg": "cut", "metadata.csv": cut_from(**{"1": "whole"})}, {"Happy/2.jpg": "whole"}),
        (
            {"Happy/1.jpg": "cut", "metadata.csv": cut_from(**{"1": "whole"})},
            {"Happy/1.jpg": "cut by another machine", "metadata.csv": cut_from(**{"1": "whole"})},
        ),
    ],
)
def test_a_photo_comes_in_once_whole_or_cut(tmp_path: Path, here: dict[str, str], new: dict[str, str]) -> None:
    result, made = added(tmp_path / "first", {**here, "Sad/1.jpg": "b"}, new)
    assert (len(result.known), result.images) == (1, ())
    assert made == {**here, "Sad/1.jpg": "b"}

    # Who it is comes all the same, and neither where it belongs nor what the other one was cut from.
    header, *rows = new.get("metadata.csv", "file_name\nHappy/2.jpg\n").splitlines()
    table = "\n".join([f"{header},group,split", *(f"{row},Ann,test" for row in rows), ""])
    _, made = added(tmp_path / "then", {**here, "Sad/1.jpg": "b"}, {**new, "metadata.csv": table})
    names = [name for name in made if "/" in name]
    (row,) = read_metadata(tmp_path / "then" / "incoming" / "metadata.csv", names).rows
    source = hashlib.sha256(b"whole").hexdigest() if "metadata.csv" in here else ""
    assert (row["file_name"], row["group"], row["split"]) == ("Happy/1.jpg", "Ann", "")
    assert row.get("source_sha256", "") == source


def test_another_face_of_a_photo_comes_in(tmp_path: Path) -> None:
    here = {"Happy/1.jpg": "cut", "Sad/1.jpg": "b", "metadata.csv": cut_from(**{"1": "whole"})}
    result, _ = added(tmp_path, here, {"Happy/2.jpg": "her friend", "metadata.csv": cut_from(**{"2": "whole"})})
    assert result.images == ("Happy/2.jpg",)


def test_where_nothing_is_there_import_is_named(tmp_path: Path) -> None:
    source = make(tmp_path / "new", {"Happy/1.jpg": "a"})
    with pytest.raises(DataError, match="facesent data import"):
        add(source, tmp_path / "data", tmp_path / "incoming")
