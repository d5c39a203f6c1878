"""The whole dataset: who is drawn how often with which expressions, which flaws it has, and its files."""

import csv
import hashlib
import shutil
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from facesent.core.console import NO_PROGRESS, Progress
from facesent.dataset.pool import map_in_processes
from facesent.images.threads import cores
from facesent.sources.drawn_faces.camera import to_jpeg
from facesent.sources.drawn_faces.chance import Chance
from facesent.sources.drawn_faces.expression import CLASSES
from facesent.sources.drawn_faces.portrait import draw_portrait

_WEIGHTS = (1.0, 0.98, 1.06, 1.02, 0.96, 0.98)
_PLAN = 2**32 - 1
_EXACT_DUPLICATES = 3
_NEAR_DUPLICATES = 2
_POOR_QUALITY = 58


@dataclass(frozen=True)
class Shot:
    """One file of the dataset.

    ``label`` is the class it is filed under and ``drawn_as`` the expression drawn; ``copy`` is 0 for an original,
    and ``kept`` the share of its bytes that survive, in per cent.
    """

    person: int
    image: int
    label: str
    drawn_as: str
    quality: int
    copy: int = 0
    kept: int = 100


def draw_dataset(
    directory: Path,
    *,
    seed: int = 7,
    persons: int = 150,
    image_size: int = 128,
    progress: Progress = NO_PROGRESS,
    workers: int | None = None,
) -> None:
    """Draw the faces into ``directory``: ``<Class>/*.jpg`` and ``metadata.csv`` (file_name, group).

    Each person is one group of four to eight images. Like any collected dataset it has flaws: a truncated file,
    three exact and two near duplicates, and one picture filed under two classes. The directory appears only when
    all of it is drawn.

    Args:
        directory: a new or empty directory.
        seed: of everything drawn, 0 to 2**64 - 1.
        persons: how many people, at least 2.
        image_size: side of the square RGB images in pixels, at least 16.
        progress: called with (files written, files in all) after each file.
        workers: processes; by default one a core. The files do not depend on it.

    Raises:
        FileExistsError: something is in ``directory``.
        ValueError: a number is out of range.
    """
    if persons < 2 or image_size < 16 or not 0 <= seed < 2**64 or (workers is not None and workers < 1):
        raise ValueError(
            "Expected persons >= 2, image_size >= 16, 0 <= seed < 2**64 and workers >= 1. "
            f"Received: persons={persons}, image_size={image_size}, seed={seed}, workers={workers}"
        )
    shots = sorted(plan(seed, persons), key=partial(file_name, seed))
    with _appearing_whole(directory.absolute()) as staging:
        for label in CLASSES:
            (staging / label).mkdir()
        contents = _render_all(shots, partial(render, seed, image_size), workers)
        for done, (shot, content) in enumerate(zip(shots, contents, strict=True), start=1):
            (staging / file_name(seed, shot)).write_bytes(content)
            progress(done, len(shots))
        with (staging / "metadata.csv").open("w", encoding="utf-8", newline="") as file:
            rows = csv.writer(file, lineterminator="\n")
            rows.writerow(("file_name", "group"))
            rows.writerows((file_name(seed, shot), f"person-{shot.person:03d}") for shot in shots)


def plan(seed: int, persons: int) -> list[Shot]:
    """List all files, the flawed ones included."""
    shots = []
    for person in range(persons):
        chance = Chance(seed, person, _PLAN)
        for image in range(1, 5 + chance.below(5)):
            label = chance.pick(CLASSES, _WEIGHTS)
            shots.append(Shot(person, image, label, label, quality=86 + chance.below(9)))
    return _with_flaws(shots, Chance(seed, _PLAN, _PLAN))


def _with_flaws(shots: list[Shot], chance: Chance) -> list[Shot]:
    chosen = chance.shuffled(range(len(shots)))[: 2 + _EXACT_DUPLICATES + _NEAR_DUPLICATES]
    cut, disputed, *copied = chosen
    other = chance.pick([label for label in CLASSES if label != shots[disputed].label])
    added = [replace(shots[disputed], label=other, copy=1)]
    added += [replace(shots[i], copy=1) for i in copied[:_EXACT_DUPLICATES]]
    added += [replace(shots[i], copy=1, quality=_POOR_QUALITY) for i in copied[_EXACT_DUPLICATES:]]
    flawed = list(shots)
    flawed[cut] = replace(shots[cut], kept=55)
    return flawed + added


def file_name(seed: int, shot: Shot) -> str:
    """``<Class>/<12 hex digits>.jpg``; the name tells neither the person nor a flaw."""
    key = f"{seed} {shot.person} {shot.image} {shot.copy}"
    return f"{shot.label}/{hashlib.sha256(key.encode()).hexdigest()[:12]}.jpg"


def render(seed: int, image_size: int, shot: Shot) -> bytes:
    """Draw one file's content."""
    pixels = draw_portrait(seed, shot.person, shot.image, shot.drawn_as, image_size)
    content = to_jpeg(pixels, shot.quality)
    return content[: len(content) * shot.kept // 100]


def _render_all(shots: list[Shot], draw: Callable[[Shot], bytes], workers: int | None) -> Iterable[bytes]:
    return map_in_processes(draw, shots, workers=workers or cores(), chunk=8)


@contextmanager
def _appearing_whole(directory: Path) -> Iterator[Path]:
    """Give a directory beside ``directory`` to write in, and rename it in the end."""
    if directory.exists() and (not directory.is_dir() or any(directory.iterdir())):
        raise FileExistsError(f"Expected a new or empty directory. Received: {directory}, which is not empty.")
    staging = directory.with_name(f".{directory.name}.partial")
    if staging.exists():
        shutil.rmtree(staging)
    staging.mkdir(parents=True)
    yield staging
    if directory.exists():
        directory.rmdir()
    staging.rename(directory)
