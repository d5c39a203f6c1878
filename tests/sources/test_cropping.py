"""Whole photos come into ``data/`` as the faces that `facesent predict --crop largest` looks at."""

import hashlib
import io
import os
import signal
import subprocess
import sys
import zipfile
from pathlib import Path

import cv2
import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image, ImageOps

from facesent.cli import main
from facesent.dataset.assignment import identities
from facesent.dataset.files import METADATA
from facesent.dataset.manifest import scan
from facesent.dataset.metadata import parse
from facesent.dataset.similarity import alike
from facesent.images.reading import decode, read_image, resize
from facesent.prediction.faces import read_face
from facesent.sources.drawn_faces.portrait import draw_portrait

pytestmark = pytest.mark.slow
# Drawn people whose faces the detector takes for those of people.
PERSONS = {"Happy": (4, 5), "Sad": (8, 10)}


def photo(person: int) -> Image.Image:
    """A portrait in a larger picture."""
    pixels = np.full((300, 400, 3), 90, np.uint8)
    pixels[60:220, 150:310] = draw_portrait(7, person, 1, "Neutral", 160)
    return Image.fromarray(pixels)


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Two photos of two classes each."""
    folder = tmp_path / "photos"
    for label, persons in PERSONS.items():
        (folder / label).mkdir(parents=True)
        for person in persons:
            photo(person).save(folder / label / f"{person}.jpg")
    return folder


def call(*arguments: str, status: int = 0) -> str:
    result = CliRunner().invoke(main, ["data", *arguments], catch_exceptions=False)
    assert result.exit_code == status, result.output
    return result.output


def contents(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in sorted(folder.rglob("*.*"))}


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def sources() -> dict[str, str]:
    return {row["file_name"]: row["source_sha256"] for row in parse(Path("data", METADATA))[1]}


def test_training_sees_the_faces_that_predict_looks_at(project: Path, photos: Path) -> None:
    said = call("import", str(photos), "--crop", "largest")
    assert "Cut 4 photos to their largest face; in 0 no face was found." in said
    assert sources() == {f"{path.parent.name}/{path.name}": digest(path) for path in photos.glob("*/*.jpg")}
    for path in photos.glob("*/*.jpg"):
        seen, box = read_face(path.read_bytes(), 48)
        assert box
        cut = Path("data", path.parent.name, path.name).read_bytes()
        assert cv2.PSNR(resize(decode(cut, None), 48), seen) > 40
        assert decode(cut, None).shape == (max(box.width, box.height), max(box.width, box.height), 3)


def test_the_default_is_the_whole_photo(project: Path, photos: Path) -> None:
    call("import", str(photos))
    assert contents(Path("data")) == contents(photos)


@pytest.mark.long
def test_the_same_import_changes_nothing_and_adds_nothing(project: Path, photos: Path) -> None:
    call("import", str(photos), "--crop", "largest")
    before = contents(Path("data"))
    assert "Unchanged." in call("import", str(photos), "--crop", "largest", "--replace")
    assert contents(Path("data")) == before
    assert "Added 0 images. Already there: 4." in call("add", str(photos), "--crop", "largest")
    assert "Added 0 images. Already there: 4." in call("add", str(photos))
    call("import", str(photos), "--replace")
    assert "Added 0 images. Already there: 4." in call("add", str(photos), "--crop", "largest")


@pytest.mark.long
def test_more_photos_are_added_as_faces(project: Path, photos: Path, tmp_path: Path) -> None:
    call("import", str(photos), "--crop", "largest")
    more = tmp_path / "more" / "Sad"
    more.mkdir(parents=True)
    photo(9).save(more / "8.jpg")
    call("add", str(more.parent), "--crop", "largest")
    [name] = [name for name, source in sources().items() if source == digest(more / "8.jpg")]
    assert name.startswith("Sad/8-")
    assert decode(Path("data", name).read_bytes(), None).shape[1] < 200


def test_what_has_no_face_or_is_broken_is_named_and_left_out(project: Path, photos: Path) -> None:
    Image.new("RGB", (300, 200), "grey").save(photos / "Happy" / "sky.jpg")
    (photos / "Sad" / "broken.jpg").write_bytes((photos / "Sad" / "8.jpg").read_bytes()[:2000])
    (photos / "Sad" / "text.png").write_text("none")
    (photos / METADATA).write_text("file_name,group\nHappy/4.jpg,Ann\nHappy/sky.jpg,Bob\n")
    said = call("import", str(photos), "--crop", "largest")
    assert "Skipped Happy/sky.jpg: no face was found in it." in said
    assert "Skipped Sad/broken.jpg: it cannot be read: " in said
    assert "Skipped Sad/text.png: it cannot be read: " in said
    assert "Cut 4 photos to their largest face; in 1 no face was found." in said
    rows = {row["file_name"]: row["group"] for row in parse(Path("data", METADATA))[1]}
    assert rows == {"Happy/4.jpg": "Ann", "Happy/5.jpg": "", "Sad/10.jpg": "", "Sad/8.jpg": ""}


def test_a_class_without_any_face_is_refused(project: Path, photos: Path) -> None:
    (photos / "Sky").mkdir()
    Image.new("RGB", (300, 200), "blue").save(photos / "Sky" / "1.jpg")
    said = call("import", str(photos), "--crop", "largest", status=1)
    assert "Received: none in Sky, such as Sky/1.jpg (no face was found in it)." in said
    assert not Path("data").exists()
    call("import", str(photos), "--crop", "largest", "--without", "Sky")


def test_a_rotated_photo_of_any_format_becomes_an_upright_jpeg(project: Path, photos: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    photo(5).transpose(Image.Transpose.ROTATE_90).save(photos / "Happy" / "5.png", exif=exif)
    call("import", str(photos), "--crop", "largest")
    upright, turned = (Path("data/Happy", name).read_bytes() for name in ("5.jpg", "5.png.jpg"))
    assert turned.startswith(b"\xff\xd8")
    assert "exif" not in Image.open(io.BytesIO(turned)).info
    assert cv2.PSNR(read_image(turned, 48), read_image(upright, 48)) > 20
    assert sources()["Happy/5.png.jpg"] == digest(photos / "Happy/5.png")


def test_parts_and_archives_are_cut_too(project: Path, photos: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "photos.zip", "w") as archive:
        for part in ("train", "test"):
            for path in photos.glob("*/*.jpg"):
                archive.write(path, f"{part}/{path.parent.name}/{path.name}")
    call("import", str(tmp_path / "photos.zip"), "--crop", "largest")
    rows = parse(Path("data", METADATA))[1]
    assert len(rows) == 8
    assert {row["split"] for row in rows} == {"", "test"}
    assert {row["source_sha256"] for row in rows} == {digest(path) for path in photos.glob("*/*.jpg")}


def test_a_face_that_is_cut_again_stays_known_by_the_photo(project: Path, photos: Path, tmp_path: Path) -> None:
    call("import", str(photos), "--crop", "largest")
    first = sources()
    Path("data").rename(tmp_path / "faces")
    assert call("import", str(tmp_path / "faces"), "--crop", "largest")
    assert set(sources().values()) <= set(first.values())


def test_a_cut_is_a_new_file(project: Path, photos: Path) -> None:
    said = call("import", str(photos), "--crop", "largest", "--link", status=2)
    assert "Expected --link or --crop, not both" in said


def test_the_manifest_says_what_images_were_cut_from(project: Path, photos: Path) -> None:
    call("import", str(photos), "--crop", "largest")
    manifest = scan(Path("data"), max_pixels=1_000_000)
    assert manifest["ok"].all()
    whole = scan(photos, max_pixels=1_000_000)
    assert manifest["source_sha256"].tolist() == whole["sha256"].tolist()
    assert manifest["source_phash"].tolist() == (whole["phash"] + whole["phash_mirrored"]).tolist()


def test_a_cut_of_an_edited_copy_is_known_as_the_photo(project: Path, photos: Path, tmp_path: Path) -> None:
    call("import", str(photos), "--crop", "largest")
    edited = tmp_path / "edited" / "Sad"
    edited.mkdir(parents=True)
    ImageOps.mirror(photo(8)).resize((300, 225)).save(edited / "edited.jpg", quality=60)
    call("add", str(edited.parent), "--crop", "largest")
    manifest = scan(Path("data"), max_pixels=1_000_000)
    known = identities(manifest).assign(mirrored=manifest["phash_mirrored"])
    new = manifest["file_name"] == "Sad/edited.jpg"
    found = manifest["file_name"][alike(known, known[new], 4)]
    assert found.tolist() == ["Sad/8.jpg", "Sad/edited.jpg"]


@pytest.mark.long
def test_a_kill_while_photos_are_cut_leaves_nothing_half(project: Path, photos: Path) -> None:
    killed = (
        "import os, signal, sys\n"
        "from facesent.cli import main\n"
        "from facesent.sources import cropping\n"
        "written = []\n"
        "whole = cropping.encoded\n"
        "def encoded(*args, **options):\n"
        "    written.append(1)\n"
        "    return whole(*args, **options) if len(written) < 3 else os.kill(os.getpid(), signal.SIGKILL)\n"
        "cropping.encoded = encoded\n"
        "main(['data', 'import', sys.argv[1], '--crop', 'largest'])\n"
    )
    done = subprocess.run([sys.executable, "-c", killed, str(photos)], env=os.environ)
    assert done.returncode == -signal.SIGKILL
    assert not Path("data").exists()
    assert not Path("data.dvc").exists()
    assert "Cut 4 photos" in call("import", str(photos), "--crop", "largest")
    assert sorted(path.name for path in project.iterdir() if "incoming" in path.name) == []
