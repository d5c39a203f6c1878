import json
import subprocess
import sys
from collections.abc import Callable

import pandas as pd
import pytest

from facesent.commands.redraw import redraw
from facesent.core.errors import DataError
from facesent.core.paths import SPLITS, Project
from facesent.dataset.manifest import scan
from facesent.images.rows import read_split
from facesent.stages.split import split

MakeProject = Callable[..., Project]


def with_manifest(project: Project) -> Project:
    project.manifest.parent.mkdir(parents=True)
    scan(project.data, max_pixels=10_000).to_parquet(project.manifest, index=False)
    return project


def test_each_usable_image_is_in_one_csv_and_files_are_the_same_each_time(make_project: MakeProject) -> None:
    project = make_project(images=40)
    (project.data / "Happy" / "bad.jpg").write_bytes(b"text")
    (project.data / "metadata.csv").write_text(
        "file_name,group,split\n" + "".join(f"Angry/{index:03d}.png,{index // 2:03d},\n" for index in range(40))
    )
    with_manifest(project)
    split(project)
    files = [*(project.split(name) for name in SPLITS), *sorted((project.outputs / "split").iterdir())]
    first = [file.read_bytes() for file in files]
    split(project)

    assert [file.read_bytes() for file in files] == first
    tables = {name: pd.read_csv(project.split(name), dtype=str) for name in SPLITS}
    names = [name for table in tables.values() for name in table["file_name"]]
    assert len(names) == len(set(names)) == 80
    assert all(list(table) == ["file_name", "label", "group", "sha256"] for table in tables.values())
    assert all(table["file_name"].is_monotonic_increasing for table in tables.values())
    groups = [set(table["group"]) for table in tables.values()]
    assert sum(map(len, groups)) == len(set.union(*groups)) == 60


def test_names_with_line_ends_survive_the_tables(make_project: MakeProject) -> None:
    project = make_project(images=40)
    odd = ["cr\r.png", "line\n.png", "both\r\n.png", '"quo,te".png', "tab\t.png"]
    for index, name in enumerate(odd):
        (project.data / "Happy" / f"{index:03d}.png").rename(project.data / "Happy" / name)
    manifest = pd.read_parquet(with_manifest(project).manifest)
    split(project)

    read = pd.concat([read_split(project.split(name)) for name in SPLITS])
    assert sorted(read["file_name"]) == sorted(manifest["file_name"])
    assert {f"Happy/{name}" for name in odd} <= set(read["file_name"])
    assert set(read["label"]) == {"Angry", "Happy"}


def test_the_report_counts_what_is_in_the_files(make_project: MakeProject, capsys: pytest.CaptureFixture[str]) -> None:
    project = make_project(images=40)
    (project.data / "Happy" / "bad.jpg").write_bytes(b"text")
    split(with_manifest(project))

    report = json.loads((project.outputs / "split" / "report.json").read_text())
    for name in SPLITS:
        counted = pd.read_csv(project.split(name))["label"].value_counts().to_dict()
        assert counted == {label: counts[name] for label, counts in report["counts"].items()}
    assert report["quarantined"] == 1
    text = (project.outputs / "split" / "report.md").read_text()
    assert "80 images in 80 groups" in text
    assert capsys.readouterr().out.strip() in text


def test_leaks_in_given_splits_are_said_on_the_terminal(
    make_project: MakeProject, capsys: pytest.CaptureFixture[str]
) -> None:
    project = make_project(images=40)
    (project.data / "metadata.csv").write_text(
        "file_name,group,split\nAngry/000.png,x,train\nHappy/000.png,x,test\n", encoding="utf-8"
    )
    split(with_manifest(project))
    assert "Angry/000.png: it belongs to images in train and test" in capsys.readouterr().out


def test_added_images_move_nobody(make_project: MakeProject, capsys: pytest.CaptureFixture[str]) -> None:
    project = with_manifest(make_project(images=40))
    split(project)
    before = placed(project)
    manifest = pd.read_parquet(project.manifest)
    new = manifest.iloc[:10].assign(
        file_name=[f"Angry/new{row}.png" for row in range(10)],
        sha256=[f"{row:064x}" for row in range(10)],
        phash=[f"{7919 * row:016x}"[::-1] for row in range(10)],
        phash_mirrored=[f"{7907 * row:015x}f"[::-1] for row in range(10)],
    )
    pd.concat([manifest.iloc[1:], new]).to_parquet(project.manifest, index=False)
    capsys.readouterr()
    split(project)

    after = placed(project)
    assert "79 images keep their split; 10 are new." in capsys.readouterr().out
    assert (after[before.index[1:]] == before.iloc[1:]).all()
    assert len(after) == 89


def test_photos_that_are_cut_now_keep_their_split(
    make_project: MakeProject, capsys: pytest.CaptureFixture[str]
) -> None:
    project = with_manifest(make_project(images=40))
    split(project)
    before = placed(project)
    whole = pd.read_parquet(project.manifest)
    cut = whole.assign(
        source_sha256=whole["sha256"],
        sha256=whole["sha256"].str[::-1],
        phash=whole["sha256"].str[:16],
        phash_mirrored=whole["sha256"].str[16:32],
    )
    cut.to_parquet(project.manifest, index=False)
    capsys.readouterr()
    split(project)

    assert "80 images keep their split; 0 are new." in capsys.readouterr().out
    assert (placed(project) == before).all()


def test_new_splits_of_the_same_images_are_other_ones(make_project: MakeProject) -> None:
    project = with_manifest(make_project(images=40))
    split(project)
    before = placed(project)
    assert "set split.seed" in redraw(project)
    split(project)

    assert (placed(project) == "test").sum() > 0
    assert set(before[before == "test"].index) != set(placed(project)[placed(project) == "test"].index)
    # Nobody draws twice before the next run.
    redraw(project)
    text = project.params.read_text()
    assert redraw(project) == ""
    assert project.params.read_text() == text


def placed(project: Project) -> pd.Series:
    return (
        pd.concat({name: pd.read_csv(project.split(name)) for name in SPLITS})
        .reset_index(0)
        .set_index("file_name")["level_0"]
        .sort_index()
    )


def test_splits_that_are_gone_are_not_drawn_anew(make_project: MakeProject) -> None:
    project = with_manifest(make_project(images=40))
    split(project)
    project.assignment.unlink()
    (project.root / "dvc.lock").write_text("stages: {split: {outs: [{path: assignment.csv, md5: abc}]}}\n")
    with pytest.raises(DataError, match=r"git checkout assignment\.csv.*facesent data resplit"):
        split(project)


def test_without_a_manifest_the_message_says_what_to_run(make_project: MakeProject) -> None:
    with pytest.raises(DataError, match="dvc repro validate"):
        split(make_project(images=0))


def test_as_a_program_it_ends_with_one_message_and_status_1(make_project: MakeProject) -> None:
    project = with_manifest(make_project(images=1))
    command = [sys.executable, "-m", "facesent.run", "split"]
    done = subprocess.run(command, cwd=project.root, capture_output=True, text=True)

    assert done.returncode == 1
    assert "Expected images of each class in each split" in done.stderr
    assert "Traceback" not in done.stderr
