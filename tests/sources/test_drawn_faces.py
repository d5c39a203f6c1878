"""The drawn faces: complete, the same everywhere, and flawed as announced."""

import csv
import hashlib
from collections import Counter, defaultdict
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from facesent.sources.drawn_faces.canvas import Canvas
from facesent.sources.drawn_faces.chance import Chance
from facesent.sources.drawn_faces.dataset import draw_dataset, plan
from facesent.sources.drawn_faces.expression import CLASSES, Expression, draw_expression
from facesent.sources.drawn_faces.geometry import ellipse
from facesent.sources.drawn_faces.portrait import draw_portrait

PERSONS = 4
SIZE = 48

# SHA-256 of what seed 7 draws; a change here means that data.dvc must change with it.
PIXELS = "9e5fc8d959caff899e3f6fe353b171c2b78980f783beebb0a586c312296b5fda"
METADATA = "c6a05b00da811b8a8a4ebf78c4698f65733426b7a1f482e4776809e206960e45"
FILES = "338dd367abd2cd6d1d0ed0811568be641f520f770dc6bfbfa437520873024f2c"


def read_files(directory: Path) -> dict[str, bytes]:
    files = (path for path in directory.rglob("*") if path.is_file())
    return {path.relative_to(directory).as_posix(): path.read_bytes() for path in files}


def read_groups(directory: Path) -> dict[str, str]:
    with (directory / "metadata.csv").open(encoding="utf-8", newline="") as file:
        return {row["file_name"]: row["group"] for row in csv.DictReader(file)}


def decodes(path: Path) -> bool:
    try:
        with Image.open(path) as image:
            image.load()
    except OSError:
        return False
    return True


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("drawn") / "data"
    draw_dataset(directory, persons=PERSONS, image_size=SIZE, workers=1)
    return directory


def test_bytes_depend_neither_on_the_run_nor_on_the_workers(drawn: Path, tmp_path: Path) -> None:
    draw_dataset(tmp_path / "again", persons=PERSONS, image_size=SIZE, workers=2)
    assert read_files(tmp_path / "again") == read_files(drawn)


def test_another_seed_draws_other_pictures(drawn: Path, tmp_path: Path) -> None:
    draw_dataset(tmp_path / "other", seed=8, persons=2, image_size=16, workers=1)
    assert not set(read_files(tmp_path / "other")) & set(read_files(drawn)) - {"metadata.csv"}


def test_pixels_are_those_of_every_other_machine() -> None:
    pixels = draw_portrait(seed=7, person=3, image=1, label="Happy", side=128)
    assert pixels.shape == (128, 128, 3)
    assert hashlib.sha256(pixels.tobytes()).hexdigest() == PIXELS


def test_files_are_those_of_every_other_machine(drawn: Path) -> None:
    assert hashlib.sha256((drawn / "metadata.csv").read_bytes()).hexdigest() == METADATA
    digests = sorted(hashlib.sha256(content).hexdigest() for content in read_files(drawn).values())
    assert hashlib.sha256("".join(digests).encode()).hexdigest() == FILES


def test_metadata_lists_every_image_once_and_sorted(drawn: Path) -> None:
    lines = (drawn / "metadata.csv").read_text(encoding="utf-8").splitlines()
    names = [line.split(",")[0] for line in lines[1:]]
    assert lines[0] == "file_name,group"
    assert names == sorted(set(read_files(drawn)) - {"metadata.csv"})


def test_each_person_is_a_group_of_four_images_or_more(drawn: Path) -> None:
    sizes = Counter(read_groups(drawn).values())
    assert len(sizes) == PERSONS
    assert min(sizes.values()) >= 4


def test_images_are_rgb_squares_and_one_file_is_truncated(drawn: Path) -> None:
    paths = sorted(drawn.glob("*/*.jpg"))
    assert {path.parent.name for path in paths} <= set(CLASSES)
    broken = [path for path in paths if not decodes(path)]
    assert len(broken) == 1
    for path in set(paths) - set(broken):
        with Image.open(path) as image:
            assert (image.size, image.mode, image.format) == ((SIZE, SIZE), "RGB", "JPEG")


def test_duplicates_and_the_conflict_are_there(drawn: Path) -> None:
    groups = read_groups(drawn)
    same: dict[bytes, list[str]] = defaultdict(list)
    for name, content in read_files(drawn).items():
        same[content].append(name)
    pairs = [names for names in same.values() if len(names) > 1]
    labels = [{name.split("/")[0] for name in names} for names in pairs]
    assert sorted(map(len, labels)) == [1, 1, 1, 2]
    assert all(len({groups[name] for name in names}) == 1 for names in pairs)


def test_near_duplicates_differ_in_compression_only() -> None:
    shots = plan(seed=7, persons=PERSONS)
    near = [shot for shot in shots if shot.copy and shot.quality < 80]
    assert len(near) == 2
    for shot in near:
        original = next(s for s in shots if (s.person, s.image, s.copy) == (shot.person, shot.image, 0))
        assert (original.label, original.drawn_as) == (shot.label, shot.drawn_as)
        assert original.quality > shot.quality


def test_the_default_dataset_has_about_150_images_a_class() -> None:
    shots = plan(seed=7, persons=150)
    counts = Counter(shot.label for shot in shots)
    assert set(counts) == set(CLASSES)
    assert all(130 <= count <= 185 for count in counts.values()), counts
    assert len(set(counts.values())) > 1
    assert {len([s for s in shots if s.person == p and not s.copy]) for p in range(150)} == {4, 5, 6, 7, 8}


def test_progress_counts_to_the_number_of_images(tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    draw_dataset(tmp_path, persons=2, image_size=16, workers=1, progress=lambda done, total: seen.append((done, total)))
    total = len(read_groups(tmp_path))
    assert seen == [(done, total) for done in range(1, total + 1)]


def test_what_is_in_the_directory_is_never_touched(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("kept")
    with pytest.raises(FileExistsError, match="Received"):
        draw_dataset(tmp_path, persons=2, image_size=16, workers=1)
    assert read_files(tmp_path) == {"mine.txt": b"kept"}


def test_an_interrupted_drawing_leaves_no_directory_and_the_next_one_finishes(tmp_path: Path) -> None:
    def interrupt(done: int, total: int) -> None:
        if done == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        draw_dataset(tmp_path / "data", persons=2, image_size=16, workers=1, progress=interrupt)
    assert not (tmp_path / "data").exists()
    draw_dataset(tmp_path / "data", persons=2, image_size=16, workers=1)
    assert [path.name for path in tmp_path.iterdir()] == ["data"]
    assert len(read_files(tmp_path / "data")) == len(plan(seed=7, persons=2)) + 1


@pytest.mark.parametrize("wrong", [{"persons": 1}, {"image_size": 8}, {"seed": -1}, {"workers": 0}])
def test_numbers_out_of_range_are_refused(tmp_path: Path, wrong: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="Received"):
        draw_dataset(tmp_path / "data", **wrong)  # type: ignore[arg-type]
    assert not (tmp_path / "data").exists()


def test_expressions_differ_between_classes_on_average() -> None:
    def mean(label: str, part: str) -> float:
        faces = [draw_expression(Chance(1, 2, i), label, Expression()) for i in range(200)]
        return sum(getattr(face, part) for face in faces) / len(faces)

    assert mean("Happy", "mouth_curve") > 0.5 > -0.3 > mean("Sad", "mouth_curve")
    assert mean("Angry", "brow_tilt") > 0.5 > -0.5 > mean("Sad", "brow_tilt")
    assert mean("Surprise", "brow_raise") > 0.5 > mean("Neutral", "brow_raise")
    assert mean("Ahegao", "tongue") > 0.5 > mean("Happy", "tongue")


def test_fill_blends_inside_its_clip_and_off_canvas_shapes_are_ignored() -> None:
    canvas = Canvas(32)
    canvas.fill(ellipse(3.0, 3.0, 0.2, 0.2), (255, 255, 255), softness=0.05)
    assert not canvas.pixels.any()
    left = canvas.mask([(0, 0), (0.45, 0), (0.45, 1), (0, 1)])
    canvas.fill([(0, 0), (1, 0), (1, 1), (0, 1)], (200, 100, 50), opacity=0.5, clip=left)
    assert np.array_equal(canvas.pixels[16, 4], (100, 50, 25))
    assert not canvas.pixels[:, 20:].any()
