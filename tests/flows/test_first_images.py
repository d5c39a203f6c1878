import shutil
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from facesent.core.errors import DataError, FacesentError
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


def tracked(root: Path, images: int) -> Project:
    """A project whose images lie in DVC's cache alone."""
    folder = root / "data" / "Happy"
    folder.mkdir(parents=True)
    for number in range(images):
        (folder / f"{number}.jpg").write_text(str(number))
    add(root)
    shutil.rmtree(root / "data")
    return Project(root)


def kill_while_it_fills(project: Project) -> None:
    """Leave a part of the images, as a kill does."""
    code = "from facesent.core.paths import Project; from flows.first_images import bring; bring(Project())"
    with subprocess.Popen([sys.executable, "-c", code], cwd=project.root) as begun:
        while not any(project.data.glob("*/*")):
            assert begun.poll() is None
        parent = psutil.Process(begun.pid)
        processes = [parent, *parent.children(recursive=True)]
        for process in processes:
            process.kill()
        psutil.wait_procs(processes)


@pytest.mark.slow
def test_a_folder_that_a_kill_left_half_filled_is_filled_up(project: Path) -> None:
    made = tracked(project, images=2000)
    kill_while_it_fills(made)
    assert len(list(made.data.glob("*/*.jpg"))) < 2000
    # DVC writes each file under such a name first.
    (made.data / "Happy" / ".E8sQx0nX3Yk5w7uXc2Zr1A.tmp").touch()
    bring(made)
    assert len(list(made.data.glob("*/*"))) == 2000
    (made.data / "Happy" / "7.jpg").unlink()
    bring(made)
    assert len(list(made.data.glob("*/*"))) == 1999, "what a person removes afterwards stays removed"


@pytest.mark.slow
def test_a_half_filled_folder_is_said_where_the_others_are_nowhere(project: Path) -> None:
    made = tracked(project, images=2000)
    kill_while_it_fills(made)
    shutil.rmtree(project / ".dvc" / "cache")
    with pytest.raises(FacesentError, match=r"no remote for the others\. To use this part: dvc add"):
        bring(made)
    add(project)
    bring(made)


@pytest.mark.slow
def test_where_a_pull_brought_only_some_images_there_is_no_folder_of_them(project: Path) -> None:
    made, cache = tracked(project, images=2), project / ".dvc" / "cache" / "files"
    shutil.copytree(cache, project / "all")
    next(path for path in cache.rglob("*") if path.is_file() and path.read_text() == "1").unlink()
    config = f"['remote \"own\"']\n    url = {project / 'remote'}\n[core]\n    remote = own\n"
    (project / ".dvc" / "config.local").write_text(config)
    with pytest.raises(DataError, match="from DVC's remote"):
        bring(made)
    assert not made.data.exists()
    shutil.copytree(project / "all", project / "remote" / "files")
    bring(made)
    assert len(list(made.data.glob("*/*"))) == 2


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
