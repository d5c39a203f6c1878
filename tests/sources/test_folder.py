"""Images are taken from folders of many shapes, and from Kaggle's archive."""

import io
import os
import zipfile
from pathlib import Path
from typing import Any

import pytest

from facesent.core.errors import DataError
from facesent.core.paths import SPLITS
from facesent.dataset.files import METADATA, image_files
from facesent.dataset.metadata import read_metadata
from facesent.images.kinds import kind_of
from facesent.images.limits import MAX_BYTES
from facesent.images.reading import FORMATS
from facesent.sources.folder import Imported, import_download, import_folder
from facesent.sources.kaggle import fetch_archive
from tests.helpers.archives import as_deflate64


def make(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(name)
    return folder


def names(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if not path.is_dir())


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """Two classes, three images."""
    return make(tmp_path / "source", "Happy/1.jpg", "Happy/2.PNG", "Sad/1.bmp")


@pytest.fixture
def incoming(tmp_path: Path) -> Path:
    """Where the images go."""
    return tmp_path / "incoming"


def test_takes_the_images_of_the_class_folders(source: Path, incoming: Path) -> None:
    seen: list[tuple[int, int]] = []
    imported = import_folder(source, incoming, progress=lambda done, total: seen.append((done, total)))
    assert names(incoming) == names(source)
    assert (incoming / "Sad/1.bmp").read_text() == "Sad/1.bmp"
    assert (imported.images, imported.linked, imported.skipped) == (3, 0, ())
    assert seen == [(1, 3), (2, 3), (3, 3)]


def test_reports_what_it_does_not_take(source: Path, incoming: Path) -> None:
    make(source, "Happy/notes.txt", "loose.jpg", "Happy/.hidden.jpg", "Sad/empty/readme")
    make(source, "Happy/._1.jpg", "__MACOSX/._1.jpg")
    imported = import_folder(source, incoming)
    assert names(incoming) == ["Happy/1.jpg", "Happy/2.PNG", "Sad/1.bmp"]
    assert [name for name, _ in imported.skipped] == ["Happy/.hidden.jpg", "Happy/notes.txt", "Sad/empty", "loose.jpg"]


def test_links_out_of_the_folder_are_not_followed(source: Path, incoming: Path, tmp_path: Path) -> None:
    make(tmp_path, "secret.jpg", "secrets/notes.txt")
    (source / "Happy" / "out.jpg").symlink_to(tmp_path / "secret.jpg")
    (source / "Happy" / "in.jpg").symlink_to("1.jpg")
    (source / "Secrets").symlink_to(tmp_path / "secrets")
    imported = import_folder(source, incoming)
    assert [name for name, _ in imported.skipped] == ["Happy/out.jpg", "Secrets"]
    assert (incoming / "Happy/in.jpg").read_text() == "Happy/1.jpg"
    assert not any(path.is_symlink() for path in incoming.rglob("*"))


def test_a_pipe_is_no_image(source: Path, incoming: Path) -> None:
    os.mkfifo(source / "Happy" / "pipe.jpg")
    assert import_folder(source, incoming).skipped == (("Happy/pipe.jpg", "not a regular file"),)


def test_a_name_that_is_not_utf8_is_skipped(source: Path, incoming: Path) -> None:
    try:
        Path(os.fsdecode(os.fsencode(source / "Happy") + b"/\xff.jpg")).touch()
    except OSError:
        pytest.skip("this file system takes UTF-8 names only")
    assert import_folder(source, incoming).skipped == (("Happy/\\udcff.jpg", "its name is not UTF-8"),)


@pytest.mark.parametrize("name", ["@eaDir", "__MACOSX", "#recycle", ".ipynb_checkpoints", "$RECYCLE.BIN", "lost+found"])
def test_folders_of_systems_are_no_classes(source: Path, incoming: Path, name: str) -> None:
    make(source, f"{name}/1.jpg", f"Happy/{name}/1.jpg", f"Happy/{name}/1.jpg.d/thumb.jpg")
    assert import_folder(source, incoming).skipped == ()
    assert names(incoming) == ["Happy/1.jpg", "Happy/2.PNG", "Sad/1.bmp"]


def test_jpegs_by_other_suffixes_and_gifs_are_taken(source: Path, incoming: Path) -> None:
    make(source, "Angry/1.jfif", "Angry/2.JPE", "Angry/3.gif")
    assert import_folder(source, incoming).images == 6
    assert image_files(incoming)[0].name == "Angry/1.jfif"


@pytest.mark.parametrize(
    ("name", "content", "kind"),
    [("a.HEIC", b"\0\0\0\x18ftypheic", "HEIC"), ("a.tif", b"II*\0", "TIFF"), ("a", b"\xff\xd8\xff\xe0", "JPEG")],
)
def test_a_class_of_pictures_that_are_not_taken_does_not_vanish(
    source: Path, incoming: Path, name: str, content: bytes, kind: str
) -> None:
    make(source, f"Surprise/{name}").joinpath("Surprise", name).write_bytes(content)
    with pytest.raises(
        DataError, match=f"none in Surprise, but 1 unsupported ones, such as Surprise/{name} .* its content is {kind}"
    ):
        import_folder(source, incoming)
    make(source, "Surprise/1.jpg")
    assert [skip for skip, _ in import_folder(source, incoming).skipped] == [f"Surprise/{name}"]


def test_a_class_folder_that_is_a_link_out_is_refused_and_not_followed(
    source: Path, incoming: Path, tmp_path: Path
) -> None:
    (source / "Surprise").symlink_to(make(tmp_path, "elsewhere/1.jpg") / "elsewhere")
    with pytest.raises(DataError, match=r"Received: Surprise, a link that leads out of the folder\. Put a folder"):
        import_folder(source, incoming)


@pytest.mark.parametrize("level", ["dataset", "train"])
def test_a_level_above_the_classes_that_leads_out_is_not_followed(tmp_path: Path, incoming: Path, level: str) -> None:
    make(tmp_path / "elsewhere", "Happy/1.jpg", "Sad/1.jpg")
    source = tmp_path / "source"
    (source / "test" if level == "train" else source).mkdir(parents=True)
    if level == "train":
        make(source, "test/Happy/2.jpg", "test/Sad/2.jpg")
    (source / level).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(DataError, match="a link that leads out of the folder"):
        import_folder(source, incoming)


def test_a_class_of_links_that_lead_out_does_not_vanish(source: Path, incoming: Path, tmp_path: Path) -> None:
    make(source, "Surprise/x").joinpath("Surprise", "1.jpg").symlink_to(make(tmp_path, "1.jpg") / "1.jpg")
    with pytest.raises(DataError, match=r"none in Surprise, but 1 unsupported ones, .* \(a link that leads out"):
        import_folder(source, incoming)


def test_a_class_that_validate_would_refuse_is_refused_at_once(source: Path, incoming: Path) -> None:
    make(source, f"{'S' * 255}/1.jpg")
    with pytest.raises(DataError, match="at most 100 characters"):
        import_folder(source, incoming)


def test_accents_of_macos_become_those_that_people_type(tmp_path: Path, incoming: Path) -> None:
    source = make(tmp_path / "source", "train/Zoe\u0308/1.jpg", "train/Happy/1.jpg", "test/Zoë/2.jpg")
    rows = "file_name,group\nZoe\u0308/1.jpg,anna\nHappy/1.jpg,ben\n"
    (source / "train" / "metadata.csv").write_text(rows)
    import_folder(source, incoming)
    assert [name for name in names(incoming) if name.startswith("Zo")] == ["Zoë/1.jpg", "Zoë/2.jpg"]
    table = read_metadata(incoming / "metadata.csv", ["Zoë/1.jpg", "Zoë/2.jpg", "Happy/1.jpg"])
    assert {row["file_name"]: row["group"] for row in table.rows}["Zoë/1.jpg"] == "anna"


@pytest.mark.parametrize("typed", ["Zoë", "Zoe\u0308"])
def test_a_class_is_left_out_however_its_accent_is_written(source: Path, incoming: Path, typed: str) -> None:
    make(source, "Zoe\u0308/1.jpg")
    assert import_folder(source, incoming, without=[typed]).skipped == (("Zoë", "left out, as requested"),)


def test_an_empty_folder_is_named(source: Path, incoming: Path) -> None:
    (source / "Fear").mkdir()
    assert import_folder(source, incoming).skipped == (("Fear", "an empty folder"),)


def test_links_in_a_circle_and_what_is_too_long_are_named(source: Path, incoming: Path) -> None:
    (source / "Happy" / "loop.jpg").symlink_to("loop.jpg")
    (source / "Loop").symlink_to("Loop")
    with (source / "Happy" / "sparse.jpg").open("wb") as sparse:
        sparse.truncate(12_000_000_000)
    assert import_folder(source, incoming).skipped == (
        ("Happy/loop.jpg", "a link that leads nowhere"),
        ("Happy/sparse.jpg", f"over {MAX_BYTES} bytes"),
        ("Loop", "a link that leads nowhere"),
    )


def test_hard_links_share_the_file(source: Path, incoming: Path) -> None:
    make(source, METADATA).joinpath(METADATA).write_text("file_name\nHappy/1.jpg\n")
    assert import_folder(source, incoming, link=True).linked == 3
    assert (incoming / "Sad/1.bmp").samefile(source / "Sad/1.bmp")
    assert not (incoming / METADATA).samefile(source / METADATA)


def test_copies_where_links_cannot_be_made(source: Path, incoming: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError("Invalid cross-device link")

    monkeypatch.setattr(os, "link", refuse)
    assert import_folder(source, incoming, link=True).linked == 0
    assert names(incoming) == names(source)


@pytest.mark.parametrize("extra", ["train/Happy/1.jpg", "Happy/nested/3.jpg"])
def test_nested_folders_are_explained(source: Path, incoming: Path, extra: str) -> None:
    with pytest.raises(
        DataError, match=rf"source/{Path(extra).parent.as_posix()}/.*call the parts train, val and test"
    ):
        import_folder(make(source, extra), incoming)
    assert not incoming.exists()


@pytest.mark.parametrize("beside", [(), ("Happy/1.jpg",)])
def test_images_far_below_a_class_are_not_left_out_in_silence(
    source: Path, incoming: Path, beside: tuple[str, ...]
) -> None:
    make(source, "Angry/2020/01/c.jpg", *beside)
    with pytest.raises(DataError, match=r"Received: images in source/Angry/2020/01/\. If Angry is a class, move them"):
        import_folder(source, incoming)


def test_where_all_images_lie_far_below_their_class_the_place_is_named(tmp_path: Path, incoming: Path) -> None:
    source = make(tmp_path / "ck", "Happy/S010/001/1.jpg", "Sad/S011/002/2.jpg")
    with pytest.raises(DataError, match=r"images in ck/Happy/S010/001/"):
        import_folder(source, incoming)


def test_pictures_that_are_not_taken_below_a_class_are_named_too(source: Path, incoming: Path) -> None:
    make(source, "Happy/raw/4.tif").joinpath("Happy/raw/4.tif").write_bytes(b"II*\0")
    with pytest.raises(DataError, match=r"images in source/Happy/raw/"):
        import_folder(source, incoming)


@pytest.mark.parametrize("name", ["C.zip", "film.mp4", "deep/C.tar.gz"])
def test_a_class_that_holds_only_what_is_packed_does_not_vanish(source: Path, incoming: Path, name: str) -> None:
    make(source, f"Angry/{name}")
    with pytest.raises(DataError, match=r"none in Angry, but 1 of what may hold some, .* Unpack archives, take the"):
        import_folder(source, incoming)
    make(source, "Angry/1.jpg")
    assert [skip for skip, _ in import_folder(source, incoming).skipped] == [f"Angry/{name.partition('/')[0]}"]


def test_a_class_that_is_a_folder_elsewhere_does_not_vanish(source: Path, incoming: Path, tmp_path: Path) -> None:
    (source / "Angry").mkdir()
    (source / "Angry" / "all").symlink_to(make(tmp_path / "elsewhere", "1.jpg"))
    with pytest.raises(DataError, match=r"none in Angry, .* Angry/all \(a link that leads out of the folder\)"):
        import_folder(source, incoming)


def test_a_part_that_is_still_packed_does_not_vanish(tmp_path: Path, incoming: Path) -> None:
    source = make(tmp_path / "fer", "train/A/1.jpg", "train/B/2.jpg", "test/test.zip")
    with pytest.raises(DataError, match=r"Received: none in test, but test\.zip\. Unpack it there"):
        import_folder(source, incoming)


@pytest.mark.parametrize("name", ["faces.tar.gz", "faces.7z", "faces.rar"])
def test_an_archive_of_another_kind_is_to_be_unpacked(tmp_path: Path, incoming: Path, name: str) -> None:
    (tmp_path / name).touch()
    with pytest.raises(DataError, match=f"{name}, an archive of another kind; unpack it, and import the folder"):
        import_folder(tmp_path / name, incoming)


def test_archives_alone_in_a_folder_are_to_be_unpacked(tmp_path: Path, incoming: Path) -> None:
    with pytest.raises(DataError, match=r"Unpack train\.zip, and import the folder with what comes out"):
        import_folder(make(tmp_path / "kaggle", "train.zip", "labels.csv"), incoming)


@pytest.mark.parametrize("files", [(), ("Happy/1.jpg",), ("1.jpg", "2.jpg"), ("Happy/1.jpg", "Sad/notes.txt")])
def test_needs_two_classes(tmp_path: Path, incoming: Path, files: tuple[str, ...]) -> None:
    (tmp_path / "few").mkdir()
    with pytest.raises(DataError, match="at least two classes"):
        import_folder(make(tmp_path / "few", *files), incoming)


@pytest.mark.parametrize("kind", ["none", "file"])
def test_needs_a_folder(tmp_path: Path, incoming: Path, kind: str) -> None:
    if kind == "file":
        (tmp_path / "source").touch()
    with pytest.raises(DataError, match="no such folder" if kind == "none" else r"source, a file\."):
        import_folder(tmp_path / "source", incoming)


def test_metadata_is_taken_byte_for_byte(source: Path, incoming: Path) -> None:
    text = b"\xef\xbb\xbffile_name,group,age\r\nHappy/1.jpg,007,33\r\n"
    (source / METADATA).write_bytes(text)
    assert import_folder(source, incoming).unmatched == ()
    assert (incoming / METADATA).read_bytes() == text


def test_rows_without_an_image_are_left_out(source: Path, incoming: Path) -> None:
    (source / METADATA).write_text("file_name,group,age\nHappy/1.jpg,007,\nHappy/9.jpg,008,4\nSad/1.bmp,NA,5\n")
    assert import_folder(source, incoming).unmatched == ("Happy/9.jpg",)
    assert (incoming / METADATA).read_text() == "file_name,group,age\nHappy/1.jpg,007,\nSad/1.bmp,NA,5\n"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("name,group\nHappy/1.jpg,1\n", "column file_name"),
        ("file_name\n/abs/1.jpg\n../Happy/1.jpg\n", "Expected names such as Happy/1.jpg"),
        ("file_name,split\nHappy/1.jpg,dev\n", "dev"),
        ("file_name\nHappy/1.jpg\nHappy/1.jpg\n", "twice"),
        ("", "CSV"),
        ("file_name\n\xff", "UTF-8"),
    ],
)
def test_wrong_metadata_is_refused(source: Path, incoming: Path, text: str, said: str) -> None:
    (source / METADATA).write_bytes(text.encode("latin-1"))
    with pytest.raises(DataError, match=said):
        import_folder(source, incoming)
    assert not incoming.exists()


def splits(folder: Path) -> dict[str, str]:
    listed = read_metadata(folder / METADATA, names(folder)).rows
    return {row["file_name"]: row["split"] for row in listed}


@pytest.mark.parametrize("validation", ["val", "valid", "Validation"])
def test_folders_of_splits_become_the_column_split(tmp_path: Path, incoming: Path, validation: str) -> None:
    files = ("train/A/1.jpg", "train/B/2.jpg", f"{validation}/A/3.jpg", "test/A/1.jpg", "test/B/4.jpg", "test/B/x.txt")
    source = make(tmp_path / "split", *(f"dataset/{name}" for name in files))
    imported = import_folder(source, incoming)
    # The first part by name keeps the name.
    assert splits(incoming) == {
        "A/1.jpg": "test",
        "A/3.jpg": "val",
        "A/train-1.jpg": "train",
        "B/2.jpg": "train",
        "B/4.jpg": "test",
    }
    assert (incoming / "A/train-1.jpg").read_text() == "dataset/train/A/1.jpg"
    assert [name for name, _ in imported.skipped] == ["test/B/x.txt"]


@pytest.mark.parametrize(
    "called",
    [("Training", "PublicTest", "PrivateTest"), ("train", "dev", "test"), ("train_set", "val_set", "Test Set"),
     ("TRAIN", "eval", "testing")],
)  # fmt: skip
def test_parts_are_known_by_the_names_that_people_give_them(
    tmp_path: Path, incoming: Path, called: tuple[str, str, str]
) -> None:
    images = [f"{part}/{label}/{part}.jpg" for part in called for label in ("A", "B")]
    source = make(tmp_path / "fer", *images, "docs/paper/readme.txt", "results/.hidden.jpg", "validation/A/notes.txt")
    imported = import_folder(source, incoming)
    assert splits(incoming) == {
        f"{label}/{part}.jpg": split for part, split in zip(called, SPLITS, strict=True) for label in ("A", "B")
    }
    assert [name for name, reason in imported.skipped if reason == "a folder without images"] == [
        "docs", "results", "validation"
    ]  # fmt: skip


def test_where_one_part_alone_has_images_they_are_as_if_not_split(tmp_path: Path, incoming: Path) -> None:
    import_folder(make(tmp_path / "fer", "train/A/1.jpg", "train/B/2.jpg", "test/A/notes.txt"), incoming)
    assert names(incoming) == ["A/1.jpg", "B/2.jpg"]


@pytest.mark.parametrize("other", ["samples/A/9.jpg", "samples/9.jpg"])
def test_images_beside_the_parts_are_not_left_out_in_silence(tmp_path: Path, incoming: Path, other: str) -> None:
    with pytest.raises(DataError, match="with no other folder of images beside them"):
        import_folder(make(tmp_path / "fer", "train/A/1.jpg", "train/B/2.jpg", "test/A/3.jpg", other), incoming)


def test_a_part_of_pictures_that_are_not_taken_does_not_vanish(tmp_path: Path, incoming: Path) -> None:
    source = make(tmp_path / "fer", "train/A/1.jpg", "train/B/2.jpg", "test/A/3.jpg", "val/A/4.heic")
    (source / "val/A/4.heic").write_bytes(b"\0\0\0\x18ftypheic")
    with pytest.raises(DataError, match="none in A, but 1 unsupported ones"):
        import_folder(source, incoming)


@pytest.mark.parametrize("link", [True, False])
def test_names_that_are_one_to_other_disks_become_two(tmp_path: Path, incoming: Path, link: bool) -> None:
    files = (
        "train/A/IMG.JPG",
        "train/B/2.jpg",
        "test/A/img.jpg",
        "test/A/e\u0301.jpg",
        "train/A/É.jpg",
        "test/B/1.jpg",
    )
    source = make(tmp_path / "split", *files)
    import_folder(source, incoming, link=link)
    assert [name for name in names(incoming) if name.startswith("A/")] == [
        "A/e\u0301.jpg", "A/img.jpg", "A/train-IMG.JPG", "A/train-É.jpg"
    ]  # fmt: skip


@pytest.mark.parametrize(("called", "split"), [("test", "test"), ("val", "val"), ("validation", "val")])
def test_without_a_folder_to_validate_or_test_on_training_images_are_left_to_be_drawn(
    tmp_path: Path, incoming: Path, called: str, split: str
) -> None:
    files = ("train/A/1.jpg", "train/B/2.jpg", f"{called}/A/3.jpg", f"{called}/B/4.jpg")
    import_folder(make(tmp_path / "fer", *files), incoming)
    assert splits(incoming) == {"A/3.jpg": split, "B/4.jpg": split}


def test_groups_keep_to_their_images_when_folders_of_splits_are_joined(tmp_path: Path, incoming: Path) -> None:
    source = make(tmp_path / "hf", "train/A/1.jpg", "train/B/2.jpg", "val/A/1.jpg", "test/B/1.jpg")
    (source / "train" / METADATA).write_text("file_name,group\nA/1.jpg,ann\nB/2.jpg,bob\n")
    (source / METADATA).write_text("file_name;group;age\nval/A/1.jpg;eve;7\ntest/B/9.jpg;gone;\n")
    assert import_folder(source, incoming).unmatched == ("test/B/9.jpg",)
    rows = read_metadata(incoming / METADATA, names(incoming)).rows
    assert {(row["file_name"], row["split"], row["group"], row["age"]) for row in rows} == {
        ("A/1.jpg", "train", "ann", ""),
        ("A/val-1.jpg", "val", "eve", "7"),
        ("B/1.jpg", "test", "", ""),
        ("B/2.jpg", "train", "bob", ""),
    }


def test_an_empty_cell_does_not_wipe_what_is_said_above_it(tmp_path: Path, incoming: Path) -> None:
    source = make(tmp_path / "hf", "train/A/1.jpg", "train/B/2.jpg", "val/A/3.jpg", "test/B/4.jpg")
    (source / METADATA).write_text("file_name,group,age\ntrain/A/1.jpg,ann,20\ntrain/B/2.jpg,bob,\n")
    (source / "train" / METADATA).write_text("file_name,group,age,split\nA/1.jpg,,30,\nB/2.jpg,ben, ,test\n")
    import_folder(source, incoming)
    rows = read_metadata(incoming / METADATA, names(incoming)).rows
    assert {(row["file_name"], row["split"], row["group"], row["age"]) for row in rows} == {
        ("A/1.jpg", "train", "ann", "30"),
        ("A/3.jpg", "val", "", ""),
        ("B/2.jpg", "test", "ben", ""),
        ("B/4.jpg", "test", "", ""),
    }


def test_class_folders_one_level_down_bring_the_groups_that_stand_above_them(tmp_path: Path, incoming: Path) -> None:
    source = make(tmp_path / "nest", "dataset/A/1.jpg", "dataset/B/2.jpg")
    (source / METADATA).write_text("file_name,group\ndataset/A/1.jpg,ann\n")
    import_folder(source, incoming)
    assert (incoming / METADATA).read_text() == "file_name,group\nA/1.jpg,ann\n"


def zipped(*members: str) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for name in members:
            archive.writestr(name, name)
    return content.getvalue()


def downloaded(tmp_path: Path, incoming: Path) -> Imported:
    return import_download(fetch_archive("owner/faces", tmp_path / "d"), incoming)


def test_the_archives_own_levels_do_not_leak(kaggle: Any, tmp_path: Path, incoming: Path) -> None:
    kaggle.archive = zipped("data.csv", "dataset/Happy/1.jpg", "dataset/Sad/1.png", "__MACOSX/dataset/Happy/._1.jpg")
    imported = downloaded(tmp_path, incoming)
    assert names(incoming) == ["Happy/1.jpg", "Sad/1.png"]
    assert imported.images == 2
    assert [path.suffix for path in (tmp_path / "d").iterdir()] == [".zip"]


def test_an_unsafe_archive_leaves_nothing(kaggle: Any, tmp_path: Path, incoming: Path) -> None:
    kaggle.archive = zipped("dataset/Happy/1.jpg", "dataset/Sad/1.png", "../../evil.jpg")
    with pytest.raises(DataError, match="leaves the folder"):
        downloaded(tmp_path, incoming)
    assert not incoming.exists()
    assert not list(tmp_path.rglob("evil.jpg"))


def test_a_damaged_archive_is_fetched_anew(kaggle: Any, tmp_path: Path, incoming: Path) -> None:
    kaggle.archive = b"no zip"
    with pytest.raises(DataError, match="deleted; run it again"):
        downloaded(tmp_path, incoming)
    assert not list((tmp_path / "d").iterdir())


def test_an_archive_that_would_be_no_better_fetched_anew_is_kept(kaggle: Any, tmp_path: Path, incoming: Path) -> None:
    kaggle.archive = as_deflate64(zipped("Happy/1.jpg"))
    with pytest.raises(DataError, match=r"Unpack it, such as with 7z x .*\.zip, and import the folder"):
        downloaded(tmp_path, incoming)
    assert [path.suffix for path in (tmp_path / "d").iterdir()] == [".zip"]


def test_what_the_decoders_do_not_take_is_named_whatever_it_is_called(source: Path, incoming: Path) -> None:
    heic = b"\0\0\0\x18ftypheic"
    (source / "Happy" / "phone.jpg").write_bytes(heic)
    imported = import_folder(source, incoming)
    assert imported.skipped == (("Happy/phone.jpg", "not an image that is taken, its content is HEIC"),)
    starts = (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"RIFF....WEBP", b"BM", b"GIF8")
    assert {kind_of(start) for start in starts} == set(FORMATS)


def test_half_a_zip_is_called_so(tmp_path: Path, incoming: Path) -> None:
    (tmp_path / "cut.zip").write_bytes(b"PK\x03\x04 and no end")
    with pytest.raises(DataError, match=r"Received: .*cut\.zip, a broken or incomplete zip; copy or download it again"):
        import_folder(tmp_path / "cut.zip", incoming)
