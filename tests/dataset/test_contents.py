"""What is in a data folder, by names and sizes."""

from pathlib import Path

from facesent.dataset.files import METADATA, Contents, describe


def test_counts_images_by_class(tmp_path: Path) -> None:
    for name in ("B/1.jpg", "A/1.PNG", "A/2.webp", "A/notes.txt", "A/.hidden.jpg", "A/deep/3.jpg", "loose.jpg"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"1234")
    (tmp_path / METADATA).write_text("file_name,group\nA/1.PNG,7\nA/2.webp,7\nB/1.jpg,8\n")
    contents = describe(tmp_path)
    assert contents.classes == {"A": 2, "B": 1}
    assert list(contents.classes) == ["A", "B"]
    assert (contents.images, contents.other_files, contents.groups) == (3, 4, 2)
    assert contents.bytes == 7 * 4 + (tmp_path / METADATA).stat().st_size
    assert str(contents) == "3 images (A 2, B 1) and 4 other files"


def test_a_folder_without_files_is_empty(tmp_path: Path) -> None:
    (tmp_path / "A").mkdir()
    assert describe(tmp_path) == Contents(exists=True)
    assert describe(tmp_path).empty
    assert describe(tmp_path / "none") == Contents(exists=False)


def test_any_file_is_something_that_could_be_lost(tmp_path: Path) -> None:
    (tmp_path / "train" / "A").mkdir(parents=True)
    (tmp_path / "train" / "A" / "1.jpg").touch()
    assert not describe(tmp_path).empty


def test_broken_links_count(tmp_path: Path) -> None:
    (tmp_path / "A").mkdir()
    (tmp_path / "A" / "1.jpg").symlink_to(tmp_path / "gone")
    assert not describe(tmp_path).empty
