"""`facesent data` as people call it."""

import io
import json
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from facesent.commands.data import data
from facesent.core.files import images_in_use

PARAMS = Path(__file__).parents[2] / "params.yaml"


def call(*arguments: str) -> Result:
    result = CliRunner().invoke(data, arguments)
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


def make(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(name)
    return folder


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """Two classes, three images."""
    return make(tmp_path / "source", "Happy/1.jpg", "Happy/2.jpg", "Sad/1.jpg")


@pytest.mark.parametrize("command", ["add", "draw", "download", "import", "resplit", "status"])
def test_help_has_an_example(command: str) -> None:
    assert "facesent data " + command in call(command, "--help").output.split("Example:")[1]


def test_import_then_status(project: Path, source: Path) -> None:
    result = call("import", str(source))
    assert result.exit_code == 0
    assert "Next: dvc repro" in result.output
    status = call("status")
    assert "Happy" in status.output
    assert "Matches data.dvc" in status.output
    report = json.loads(call("status", "--json").output)
    assert report["classes"] == {"Happy": 2, "Sad": 1}
    assert report["tracking"] == "matches"


def test_import_never_destroys(project: Path, source: Path, tmp_path: Path) -> None:
    call("import", str(source))
    other = make(tmp_path / "other", "Angry/1.jpg", "Happy/1.jpg")
    refused = call("import", str(other))
    assert refused.exit_code == 1
    assert "3 images (Happy 2, Sad 1)" in refused.output
    assert "--replace" in refused.output
    replaced = call("import", str(other), "--replace")
    assert replaced.exit_code == 0
    assert "To restore the previous content: cp " in replaced.output
    assert "&& dvc checkout data.dvc" in replaced.output
    assert sorted(path.name for path in Path("data").iterdir()) == ["Angry", "Happy"]


@pytest.mark.parametrize("folder", ["data", "data/Happy", ".", "gone"])
def test_import_refuses_itself_and_what_is_not_there(project: Path, folder: str) -> None:
    make(Path("data"), "Happy/1.jpg", "Sad/1.jpg")
    result = call("import", folder, "--replace")
    assert result.exit_code == 1
    assert result.output.startswith("Error: Expected a folder")
    assert Path("data/Happy/1.jpg").exists()


def test_import_says_what_was_left_out(project: Path, source: Path) -> None:
    make(source, *[f"Happy/{number}.txt" for number in range(7)])
    (source / "metadata.csv").write_text("file_name\nHappy/1.jpg\nHappy/9.jpg\n")
    output = call("import", str(source)).output
    assert "Skipped Happy/0.txt, Happy/1.txt, Happy/2.txt, Happy/3.txt, Happy/4.txt and 2 more: not an image" in output
    assert "Left out 1 rows of metadata.csv without an image: Happy/9.jpg." in output


def test_a_zip_is_imported_as_the_folder_in_it(project: Path, source: Path) -> None:
    archive = shutil.make_archive("faces", "zip", source.parent, source.name)
    result = call("import", archive)
    assert result.exit_code == 0, result.output
    assert sorted(path.name for path in Path("data").iterdir()) == ["Happy", "Sad"]
    assert not list(Path().glob(".data-*"))


def test_a_table_of_pixels_is_imported_without_rows_that_are_wrong(project: Path) -> None:
    pixels = " ".join(["7"] * 48 * 48)
    Path("fer2013.csv").write_text(f"emotion,pixels\n0,{pixels}\n3,{pixels} 7\n3,{pixels}\n")
    result = call("import", "fer2013.csv")
    assert result.exit_code == 0, result.output
    assert "Skipped fer2013.csv row 3: its pixels are not 48 x 48 numbers from 0 to 255." in result.output
    assert sorted(path.name for path in Path("data").rglob("*.png")) == ["00002.png", "00004.png"]
    assert not list(Path().glob(".data-*"))


def test_status_shows_names_of_classes_as_they_are(project: Path) -> None:
    make(Path("data"), "Happy [old]/1.jpg", "[red]/1.jpg")
    output = call("status").output
    assert "Happy [old]" in output
    assert "[red]" in output


def test_status_where_nothing_is(project: Path) -> None:
    result = call("status")
    assert result.exit_code == 0
    assert "data: missing." in result.output
    assert "Next: facesent data draw" in result.output
    Path("data.dvc").write_text("outs:\n- path: data\n")
    assert "data.dvc describes images that are not here" in call("status").output


def test_a_link_in_the_place_of_data_is_named_with_the_way_out(project: Path, source: Path) -> None:
    Path("data").symlink_to(source)
    way = f"rm data && facesent data import {source} --link"
    said = call("status").output.splitlines()[-1]
    assert said.startswith(f"data is a link to {source}, which `dvc add` refuses. ")
    assert said.endswith(way)
    for command in (("import", str(source), "--replace"), ("add", str(source)), ("draw", "--replace")):
        refused = call(*command)
        assert refused.exit_code == 1
        assert refused.output.rstrip().endswith(way)
    Path("data").unlink()
    assert call("import", str(source), "--link").exit_code == 0


@pytest.mark.slow
def test_status_of_an_empty_mounted_disk_names_no_command_that_cannot_work(project: Path) -> None:
    Path("data").mkdir()
    inside = [
        "unshare",
        "--user",
        "--map-root-user",
        "--mount",
        "sh",
        "-ec",
        'mount -t tmpfs none data; exec "$0" "$@"',
    ]
    if subprocess.run([*inside, "true"], capture_output=True).returncode:
        pytest.skip("this machine allows no mounts")
    status = [sys.executable, "-m", "facesent.cli", "data", "status"]
    said = subprocess.run([*inside, *status], capture_output=True, text=True, check=True).stdout
    assert f"mounted at {project / 'data'}. Mount one at a folder above" in said
    assert "Next:" not in said


def test_status_says_how_to_settle_a_difference(project: Path, source: Path) -> None:
    call("import", str(source))
    make(Path("data"), "Happy/new.jpg")
    output = call("status").output
    assert "dvc add data" in output
    assert "dvc checkout data.dvc" in output


def test_download_ends_with_data_and_nothing_beside_it(project: Path, kaggle: Any) -> None:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for name in ("data.csv", "dataset/Happy/1.jpg", "dataset/Sad/1.jpg"):
            archive.writestr(name, name)
    kaggle.archive = content.getvalue()
    result = call("download")
    assert result.exit_code == 0, result.output
    assert sorted(path.name for path in project.iterdir() if not path.name.startswith((".git", ".dvc"))) == [
        "data",
        "data.dvc",
    ]
    assert sorted(path.name for path in Path("data").iterdir()) == ["Happy", "Sad"]


def test_download_asks_nothing_when_it_would_be_refused(project: Path, kaggle: Any, source: Path) -> None:
    call("import", str(source))
    assert call("download").exit_code == 1
    assert kaggle.asked == []


def test_download_without_credentials_is_one_message(project: Path, kaggle: Any) -> None:
    kaggle.key = "secret"
    result = call("download")
    assert result.exit_code == 1
    assert "KAGGLE_USERNAME" in result.output
    assert "Traceback" not in result.output


def test_sample_draws_the_same_bytes_each_time(project: Path) -> None:
    arguments = ("draw", "--persons", "4", "--image-size", "32")
    assert call(*arguments).exit_code == 0
    pointer = Path("data.dvc").read_bytes()
    again = call(*arguments, "--replace")
    assert "Unchanged." in again.output
    assert Path("data.dvc").read_bytes() == pointer
    assert Path("data/metadata.csv").is_file()


def test_resplit_forgets_who_was_where_and_says_how_to_undo_it(project: Path) -> None:
    shutil.copy(PARAMS, "params.yaml")
    Path("assignment.csv").write_text(f"content,person,phash,split\n{'a' * 16},,{'b' * 16},train\n")
    result = call("resplit")
    assert result.output.startswith("Forgot the splits of 1 images, and set split.seed in params.yaml to 8.")
    assert "git checkout assignment.csv, and set split.seed to 7." in result.output
    assert "dvc repro" in result.output
    # Not removed: a file that is gone was lost.
    assert Path("assignment.csv").read_text() == "content,person,phash,split\n"
    assert call("resplit").output.startswith("No splits were recorded.")


def test_resplit_takes_no_splits_away_from_a_stage_that_works_with_them(project: Path) -> None:
    shutil.copy(PARAMS, "params.yaml")
    Path("assignment.csv").write_text(f"content,person,phash,split\n{'a' * 16},,{'b' * 16},train\n")
    before = [Path(name).read_bytes() for name in ("assignment.csv", "params.yaml")]
    with images_in_use(Path("data")):
        refused = call("resplit")
    assert (refused.exit_code, "in use by a stage" in refused.output) == (1, True), refused.output
    assert [Path(name).read_bytes() for name in ("assignment.csv", "params.yaml")] == before


def test_add_brings_further_images_and_says_what_was_there(project: Path, source: Path, tmp_path: Path) -> None:
    (source / "metadata.csv").write_text("file_name,group\nHappy/1.jpg,proposed-1\n")
    call("import", str(source))
    more = make(tmp_path / "more", "Happy/1.jpg", "Happy/9.jpg")
    (more / "Sad").mkdir()
    (more / "Sad" / "2.jpg").write_text("Happy/2.jpg")
    (more / "Happy" / "99.jpg").write_text("Happy/9.jpg")
    result = call("add", str(more))
    assert result.exit_code == 0, result.output
    assert f"Added 2 images. Already there: 1. Left out as copies of others in {more}: 1." in result.output
    assert "facesent data conflicts" in result.output
    assert "To restore the previous content" in result.output
    assert "For the new images: facesent data people" in result.output
    status = json.loads(call("status", "--json").output)
    assert status["classes"] == {"Happy": 3, "Sad": 2}
    assert (status["groups"], status["proposed_groups"]) == (1, 1)


def test_add_puts_a_class_that_is_written_in_small_letters_where_it_belongs(
    project: Path, source: Path, tmp_path: Path
) -> None:
    call("import", str(source))
    result = call("add", str(make(tmp_path / "more", "happy/9.jpg")))
    assert "Took happy/ as the class Happy, which data has." in result.output
    assert json.loads(call("status", "--json").output)["classes"] == {"Happy": 3, "Sad": 1}


def test_a_class_is_left_out_where_that_is_asked_for(project: Path, source: Path) -> None:
    (source / "Ahegao").mkdir()
    (source / "Ahegao" / "1.jpg").write_text("x")
    result = call("import", str(source), "--without", "Ahegao")
    assert "Skipped Ahegao: left out, as requested." in result.output
    assert sorted(path.name for path in Path("data").iterdir()) == ["Happy", "Sad"]


def test_images_that_lie_too_deep_are_told_with_the_command_that_takes_them(project: Path) -> None:
    make(Path("data/dataset"), "Happy/1.jpg", "Sad/1.jpg")
    said = call("status").output.splitlines()[-1]
    assert "Received: none. 2 lie deeper, such as dataset/Happy/1.jpg." in said
    Path("data").rename("data-unpacked")
    assert call(*said.rpartition("&& facesent data ")[2].split()).exit_code == 0
    assert sorted(path.name for path in Path("data").iterdir()) == ["Happy", "Sad"]
