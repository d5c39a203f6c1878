"""Datasets whose classes stand in a list: FER2013's table of pixels, and RAF-DB."""

import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from facesent.core.errors import DataError
from facesent.sources.folder import import_archive, import_source

PIXELS = " ".join(str(number % 256) for number in range(48 * 48))


def make(file: Path) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(file.name)


def take(source: Path, folder: Path) -> tuple[list[str], dict[str, str], tuple[tuple[str, str], ...]]:
    """The images by name, their splits, and what was left out."""
    imported = import_source(source, folder / "incoming", folder / "listed")
    assert not (folder / "listed").exists()
    table = folder / "incoming" / "metadata.csv"
    rows = [line.split(",") for line in table.read_text().splitlines()[1:]] if table.exists() else []
    files = sorted((folder / "incoming").rglob("*.[jp][pn]g"))
    names = [path.relative_to(folder / "incoming").as_posix() for path in files]
    return names, dict(rows), imported.skipped


@pytest.mark.parametrize("header", ["emotion,pixels,Usage", "\ufeffemotion, Usage, pixels"])
def test_fer2013_keeps_its_splits(tmp_path: Path, header: str) -> None:
    usages = [(0, "Training"), (3, "Training"), (6, "PublicTest"), (3, "PrivateTest")]
    lines = [f"{emotion},{PIXELS},{usage}" if header.endswith("Usage") else f"{emotion},{usage},{PIXELS}"
             for emotion, usage in usages]  # fmt: skip
    source = tmp_path / "fer2013.csv"
    source.write_text("\n".join([header, *lines]))
    names, splits, skipped = take(source, tmp_path)
    assert names == ["Angry/00002.png", "Happy/00003.png", "Happy/00005.png", "Neutral/00004.png"]
    assert splits == dict(zip(["Angry/00002.png", "Happy/00003.png", "Neutral/00004.png", "Happy/00005.png"],
                              ["train", "train", "val", "test"], strict=True))  # fmt: skip
    assert not skipped
    pixels = np.asarray(Image.open(tmp_path / "incoming" / "Angry" / "00002.png"))
    assert pixels.shape == (48, 48)
    assert " ".join(map(str, pixels.ravel())) == PIXELS


def test_rows_that_are_wrong_are_left_out_by_number(tmp_path: Path) -> None:
    wrong = [
        f"7,{PIXELS},Training", f"x,{PIXELS},Training", f"0,{PIXELS},Nothing", f"0,{PIXELS[:-4]},Training",
        f"0,{PIXELS.replace('255', '256')},Training", f"0,{PIXELS.replace('255', '-25')},Training",
        "0,,Training", f"0,{'1 ' * 50_000},Training", "\0",
    ]  # fmt: skip
    source = tmp_path / "fer2013.csv"
    source.write_text("\n".join(["emotion,pixels,Usage", *wrong, "", f"0,{PIXELS},Training", f"3,{PIXELS},Training"]))
    names, splits, skipped = take(source, tmp_path)
    assert names == ["Angry/00012.png", "Happy/00013.png"]
    assert not splits
    assert [name for name, _ in skipped] == [f"fer2013.csv row {number}" for number in range(2, 11)]
    source.write_text("\n".join(["emotion,pixels,Usage", *wrong]))
    with pytest.raises(DataError, match="row 2: its emotion is not a number from 0 to 6"):
        take(source, tmp_path / "other")


def test_a_zip_of_the_table_is_taken_without_splits_where_it_names_none(tmp_path: Path) -> None:
    archive = tmp_path / "fer.zip"
    with zipfile.ZipFile(archive, "w") as content:
        content.writestr("fer2013/fer2013.csv", f"emotion,pixels\n0,{PIXELS}\n3,{PIXELS}\n")
        content.writestr("fer2013/README", "About it")
    assert import_archive(archive, tmp_path / "incoming", tmp_path / "unpacked").images == 2
    assert sorted(path.name for path in (tmp_path / "incoming").iterdir()) == ["Angry", "Happy"]


def test_class_folders_say_more_than_a_table_beside_them(tmp_path: Path) -> None:
    for name in ("Happy/1.png", "Sad/1.png"):
        make(tmp_path / "source" / name)
    (tmp_path / "source" / "fer2013.csv").write_text(f"emotion,pixels\n0,{PIXELS}\n")
    names, _, skipped = take(tmp_path / "source", tmp_path)
    assert names == ["Happy/1.png", "Sad/1.png"]
    assert skipped == (("fer2013.csv", "not in a class folder"),)


def test_raf_db_gets_its_classes_and_parts_from_its_list(tmp_path: Path) -> None:
    source = tmp_path / "basic"
    for name in ("original/train_1.jpg", "aligned/train_1_aligned.jpg", "aligned/test_1_aligned.jpg"):
        make(source / "Image" / name)
    (source / "EmoLabel").mkdir()
    (source / "EmoLabel" / "list_patition_label.txt").write_text(
        "train_1.jpg 4\ntest_1.jpg 5\ntrain_2.jpg 1\ntest_2\ntrain_1.jpg 4\n"
    )
    before = {path: path.stat().st_nlink for path in source.rglob("*.jpg")}
    names, splits, skipped = take(source, tmp_path)
    assert names == ["Happy/train_1_aligned.jpg", "Sad/test_1_aligned.jpg"]
    assert splits == {"Sad/test_1_aligned.jpg": "test"}
    assert [name.rpartition(" ")[2] for name, _ in skipped] == ["3", "4", "5"]
    assert {path: path.stat().st_nlink for path in source.rglob("*.jpg")} == before


def raf(source: Path, *images: str) -> Path:
    for name in images:
        make(source / "Image" / name)
    (source / "list_patition_label.txt").write_text("train_1.jpg 4\ntest_1.jpg 5\n")
    return source


def test_images_that_the_list_does_not_name_are_told_and_those_of_systems_are_none(tmp_path: Path) -> None:
    source = raf(tmp_path / "basic", "train_1.jpg", "test_1.jpg", "test_9.jpg", "@eaDir/test_1.jpg")
    assert take(source, tmp_path)[2] == (("Image/test_9.jpg", "not in list_patition_label.txt"),)


def test_of_two_images_of_one_name_none_is_taken(tmp_path: Path) -> None:
    source = raf(tmp_path / "basic", "train_1.jpg", "test_1.jpg", "test_2.jpg", "old/test_2.jpg")
    with (source / "list_patition_label.txt").open("a") as rows:
        rows.write("test_2.jpg 5\n")
    names, _, skipped = take(source, tmp_path)
    assert names == ["Happy/train_1.jpg", "Sad/test_1.jpg"]
    assert "2 images are called test_2.jpg" in [reason for _, reason in skipped]


def test_images_that_are_links_are_taken_where_they_lead_to_a_file_of_the_folder(tmp_path: Path) -> None:
    source = raf(tmp_path / "basic", "store/x.jpg", "aligned/test_1_aligned.jpg")
    make(tmp_path / "secret.jpg")
    links = {"train_1": "../store/x.jpg", "test_2": "../../../secret.jpg", "test_3": "gone.jpg", "test_4": "../store"}
    for name, target in {**links, "test_5": "test_5_aligned.jpg"}.items():
        (source / "Image" / "aligned" / f"{name}_aligned.jpg").symlink_to(target)
    with (source / "list_patition_label.txt").open("a") as rows:
        rows.write("".join(f"test_{number}.jpg 5\n" for number in (2, 3, 4, 5)))
    names, _, skipped = take(source, tmp_path)
    assert names == ["Happy/train_1_aligned.jpg", "Sad/test_1_aligned.jpg"]
    taken = tmp_path / "incoming" / "Happy" / "train_1_aligned.jpg"
    assert not taken.is_symlink()
    assert taken.read_text() == "x.jpg"
    refused = [name for name, reason in skipped if reason == "no such image"]
    assert refused == [f"list_patition_label.txt row {row}" for row in (3, 4, 5, 6)]


def test_a_table_of_people_beside_a_list_is_not_left_out_in_silence(tmp_path: Path) -> None:
    source = raf(tmp_path / "basic", "train_1.jpg", "test_1.jpg")
    (source / "metadata.csv").write_text("file_name,group\ntrain_1.jpg,ann\n")
    with pytest.raises(DataError, match=r"no metadata\.csv beside list_patition_label\.txt"):
        take(source, tmp_path)


def test_several_tables_of_pixels_are_refused(tmp_path: Path) -> None:
    source = tmp_path / "fer"
    source.mkdir()
    for name in ("train.csv", "test.csv"):
        (source / name).write_text(f"emotion,pixels\n0,{PIXELS}\n3,{PIXELS}\n")
    with pytest.raises(DataError, match=r"Received: test\.csv, train\.csv"):
        take(source, tmp_path)
