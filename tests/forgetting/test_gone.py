"""A person whose images are gone already: what is left of them is known by the start of their hashes."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from facesent.core.files import sha256
from facesent.core.paths import Project
from facesent.dataset.assignment import read_assignment
from facesent.people import cache
from facesent.prediction.unlike import Known
from facesent.registry.packaging import UNLIKE_FILE
from tests.helpers.forgetting import first_in, groups, images_of, leave_soft_targets, run
from tests.helpers.looking import files_that_say, files_that_show

pytestmark = pytest.mark.slow


def dvc(*words: str) -> None:
    done = subprocess.run([sys.executable, "-m", "dvc", *words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def rewrite_group(group: str, new: str | None) -> None:
    """File a person's images otherwise, or delete them, and have DVC keep nothing earlier."""
    theirs, metadata = images_of(group), Path("data/metadata.csv")
    if new is None:
        for name in theirs:
            Path("data", name).unlink()
    table = pd.read_csv(metadata, dtype=str, keep_default_na=False)
    table = table[table["group"] != group] if new is None else table.replace({"group": {group: new}})
    metadata.unlink()
    table.to_csv(metadata, index=False)
    dvc("add", "--quiet", "data")
    dvc("gc", "--workspace", "--cloud", "--force", "--quiet")


def leave_embeddings(contents: list[str]) -> Path:
    """In the registered model and in the cache; returns the model's file."""
    [model] = Path("mlruns").rglob("MLmodel")
    path = model.parent / "artifacts" / UNLIKE_FILE
    vectors = np.ones((len(contents), 4), np.float32)
    Known(vectors, np.array([content[:16] for content in contents]), 5, 1.0).save(path)
    with cache.opened(Project().people_cache, "network") as embeddings:
        embeddings.add(contents, vectors.astype(np.float16))
    return path


def test_what_shows_images_that_are_gone_from_everywhere_goes_too(place: Path) -> None:
    person = first_in("test")
    theirs = images_of(person)
    photos = [Path("data", name).read_bytes() for name in theirs]
    gone = [sha256(Path("data", name)) for name in theirs]
    other = sha256(Path("data", next(name for name in groups() if name not in theirs)))
    unlike = leave_embeddings([*gone, other])
    leave_soft_targets(theirs)
    # Its table knows images by their names alone.
    names = pd.DataFrame({"file_name": sorted(groups()), "fold": 1})
    Path("outputs/cross_validation").mkdir()
    names.to_csv("outputs/cross_validation/predictions.csv", index=False)
    Path("data.old").mkdir()
    shutil.copy(Path("data", theirs[0]), "data.old/copy.jpg")
    rewrite_group(person, None)
    # Nobody reads it without harm.
    os.mkfifo("fifo")
    before = [
        path.relative_to(place) for path in files_that_show([place / "remote", place / "project/outputs"], photos)
    ]
    assert {path.parts[0] for path in before} == {"remote", "project"}

    code, output = run(person, "--dry-run")
    assert code == 0, output
    assert f"Images that are gone, of which there may be traces: {len(set(gone))}" in output
    code, output = run(person)
    assert code == 0, output
    assert files_that_show([place], photos) == []
    assert files_that_say([Path("outputs"), Path(".dvc"), place / "remote"], [*gone, *theirs]) == []
    with np.load(unlike) as known:
        assert list(known["contents"]) == [other[:16]]
    with cache.opened(Project().people_cache, "network") as embeddings:
        assert [content for content, _ in embeddings.known({*gone, other})] == [other]
    assert not Project().soft_targets.exists()
    assert pd.read_csv("forgotten.csv")["images"].tolist() == [len(set(gone))]
    assert run(person)[0] == 1


@pytest.mark.usefixtures("place")
def test_images_that_were_the_persons_once_are_for_a_person_to_decide() -> None:
    person = first_in("test")
    theirs, report = images_of(person), Path("outputs/evaluate/report.html")
    rewrite_group(person, "another")
    code, output = run(person)
    assert code == 1
    assert "--others-stay" in output
    shown = output.partition("Look alike")[2]
    assert all(name in shown for name in theirs)
    code, output = run(person, "--others-stay")
    assert code == 0, output
    assert images_of("another") == theirs
    assert set(theirs) & set(pd.read_csv("outputs/evaluate/predictions.csv")["file_name"])
    assert report.is_file()
    # They stay in the test set, and the table no longer says whose they were thought to be.
    placed = read_assignment(Project().assignment)
    rows = placed[placed["content"].isin([sha256(Path("data", name))[:16] for name in theirs])]
    assert len(rows) == len(theirs)
    assert set(rows["person"]) == {""}
    assert set(rows["split"]) == {"test"}
    # And so do those of the runs, by which versions are reproduced.
    copies = [read_assignment(path) for path in Path("mlruns").rglob("images/assignment.csv")]
    assert copies
    for copy in copies:
        pd.testing.assert_frame_equal(copy, placed)
