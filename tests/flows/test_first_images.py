import subprocess
import sys
from pathlib import Path

import pytest

from facesent.core.errors import FacesentError
from facesent.core.paths import Project
from flows.first_images import bring


def add(root: Path) -> None:
    subprocess.run([sys.executable, "-m", "dvc", "add", "--quiet", "data"], cwd=root, check=True)


def test_images_that_are_there_stay_as_they_are(project: Path) -> None:
    photo = project / "data" / "Happy" / "photo.jpg"
    photo.parent.mkdir(parents=True)
    photo.write_bytes(b"photo")
    bring(Project(project))
    assert photo.read_bytes() == b"photo"
    assert not (project / "data.dvc").exists()


def test_what_the_pointer_describes_comes_back_from_dvcs_cache(project: Path) -> None:
    photo = project / "data" / "Happy" / "photo.jpg"
    photo.parent.mkdir(parents=True)
    photo.write_bytes(b"photo")
    add(project)
    photo.unlink()
    photo.parent.rmdir()
    photo.parents[1].rmdir()
    bring(Project(project))
    assert photo.read_bytes() == b"photo"


@pytest.mark.slow
@pytest.mark.long
def test_else_faces_are_drawn(project: Path) -> None:
    bring(Project(project))
    assert len(list((project / "data").glob("*/*.jpg"))) == 934
    assert (project / "data.dvc").is_file()


def test_what_cannot_be_drawn_is_said(project: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (project / "data").symlink_to("nowhere")
    with pytest.raises(FacesentError, match="facesent data draw"):
        bring(Project(project))
    assert "Remove it: rm data" in capfd.readouterr().err
