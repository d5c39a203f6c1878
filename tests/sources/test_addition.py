"""Images added to those that are there."""

from pathlib import Path

import pytest

from facesent.core.errors import DataError
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


def test_a_content_under_another_label_is_added_and_told(tmp_path: Path) -> None:
    result, made = added(tmp_path, {"Happy/1.jpg": "a", "Sad/1.jpg": "b"}, {"Sad/2.jpg": "a"})
    assert made["Sad/2.jpg"] == "a"
    assert result.conflicts == (("Sad/2.jpg", "Happy/1.jpg"),)


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


def test_where_nothing_is_there_import_is_named(tmp_path: Path) -> None:
    source = make(tmp_path / "new", {"Happy/1.jpg": "a"})
    with pytest.raises(DataError, match="facesent data import"):
        add(source, tmp_path / "data", tmp_path / "incoming")
