"""Apply a person's decisions on labels to ``data/``: all of them or none, and with a way back."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path, PurePosixPath

from facesent.core.errors import DataError
from facesent.core.files import images_in_use, sha256
from facesent.core.text import folded
from facesent.dataset.files import METADATA, ImageFile, class_folders, image_files, label_of
from facesent.dataset.metadata import COLUMNS, Metadata, Row, read_metadata
from facesent.labels.review import (
    DROP,
    KEEP,
    Applied,
    Decision,
    read_decisions,
    read_record,
    record_of,
    recorded,
    was_applied,
)
from facesent.sources.store import Installed, by_size, carry_over, free_name, install, recover_after_kill, staging


@dataclass(frozen=True)
class RelabelPlan:
    """What decisions come to; names are relative to the data folder."""

    moves: Mapping[str, str]
    """Old name to new name, sorted."""
    drops: tuple[str, ...]
    heirs: Mapping[str, str]
    """Of a dropped image the one of the same content that stays, by its old name."""
    kept: int
    """Images whose given label is confirmed."""
    done: int
    """Decisions that were applied before."""
    conflicts: tuple[tuple[str, str], ...]
    """(new name of a moved image, an image of the same content that stays in another class)."""
    applied: tuple[Applied, ...]

    @property
    def changes(self) -> bool:
        """Whether an image moves or goes."""
        return bool(self.moves or self.drops)


def preview(queue: Path, data_dir: Path) -> RelabelPlan:
    """What `relabel` would do; nothing is changed.

    Raises:
        DataError: as `relabel`.
        FilesError: the images are being changed.
    """
    recover_after_kill(data_dir)
    with images_in_use(data_dir):
        return plan(data_dir, expanded(read_decisions(queue), data_dir), read_record(record_of(queue)))


def relabel(queue: Path, data_dir: Path) -> tuple[RelabelPlan, Installed | None]:
    """Move and drop images as ``queue`` says, bring ``metadata.csv`` in line, and put the result under DVC.

    What was applied is added to the record beside ``queue``.

    Returns:
        The plan, and what was installed; None where no image moves or goes.

    Raises:
        DataError: a decision cannot be applied, and then none is; or DVC refuses.
    """
    decisions, record = read_decisions(queue), record_of(queue)
    with staging(data_dir) as incoming:
        intended = plan(data_dir, expanded(decisions, data_dir), read_record(record))
        if intended.changes:
            build(intended, data_dir, incoming)
        with recorded(record, intended.applied, lambda: _is_carried_out(intended, data_dir)):
            installed = install(incoming, data_dir, replace=True) if intended.changes else None
    return intended, installed


def _is_carried_out(intended: RelabelPlan, data_dir: Path) -> bool:
    """Whether no image is where it was: new names are never those of others."""
    return intended.changes and not any((data_dir / name).exists() for name in (*intended.moves, *intended.drops))


def expanded(decisions: Sequence[Decision], data_dir: Path) -> list[Decision]:
    """The decisions an image each: one about a content becomes one about each image of it.

    A class leaves one image of the content, which moves there if it must; the others are dropped.
    """
    if not any(row.everywhere for row in decisions):
        return list(decisions)
    contents = _Contents(image_files(data_dir))
    return [
        each
        for row in decisions
        for each in (_of_content(row, contents.places(row.file_name, row.sha256)) if row.everywhere else [row])
    ]


class _Contents:
    """Where each content stands. Of images of one size, which may be all, each is read once, when one is asked for."""

    def __init__(self, images: Iterable[ImageFile]) -> None:
        groups = list(by_size(images).values())
        self._group_of = {image.name: number for number, group in enumerate(groups) for image in group}
        self._of_group = cache(lambda number: _by_content(groups[number]))

    def places(self, name: str, digest: str) -> Sequence[str]:
        """The images with this SHA-256 that are as long as the image ``name``, sorted; none where that is gone."""
        number = self._group_of.get(name)
        return () if number is None else self._of_group(number).get(digest, ())


def _by_content(images: Iterable[ImageFile]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for image in sorted(images, key=lambda image: image.name):
        found.setdefault(sha256(Path(image.path)), []).append(image.name)
    return found


def _of_content(row: Decision, places: Sequence[str]) -> list[Decision]:
    # Where the first place is gone, the row stays as it is: done before, or a problem that is told by its line.
    if not places or row.choice == KEEP:
        return [row]
    if row.choice == DROP:
        return [row._replace(file_name=name) for name in places]
    stays = next((name for name in places if label_of(name) == row.choice), places[0])
    return [row._replace(file_name=name, choice=row.choice if name == stays else DROP) for name in places]


def refuse_to_lose_decisions(queue: Path, data_dir: Path) -> None:
    """Stop before a new queue is written over one in which somebody has decided.

    What the record holds counts only if the images are no longer as they were: it is written first, and a kill may have
    come before they were changed.

    Raises:
        DataError: ``queue`` holds decisions that were not applied.
    """
    if not queue.exists():
        return
    decisions, applied = read_decisions(queue), read_record(record_of(queue))
    images = {image.name: image for image in image_files(data_dir)}
    undone = {row.row for row in expanded(decisions, data_dir) if _is_to_do(row, images.get(row.file_name))}
    waiting = [row for row in decisions if row.row in undone or not was_applied(row, applied)]
    if waiting:
        raise DataError(
            f"Expected no open decisions in {queue}, because they would be overwritten. Received: {len(waiting)}. "
            f"Apply them with `facesent data relabel {queue}`, or choose another folder with --output."
        )


def _is_to_do(row: Decision, image: ImageFile | None) -> bool:
    """Whether an image has to move or go, and is there as it was."""
    return row.choice not in (KEEP, label_of(row.file_name)) and _trouble(image, row.sha256) is None


def plan(data_dir: Path, decisions: Sequence[Decision], applied: Iterable[Applied] = ()) -> RelabelPlan:
    """Check every decision and work out the names.

    A decision that ``applied`` holds is done if the image is no longer there as it was; after an undo it is, and the
    decision is applied again. A moved image whose name is taken in its new class gets the start of its hash appended.

    Raises:
        DataError: naming each row that cannot be applied, with the reason.
    """
    # A class folder that is a link to another has images of two names; neither decision would mean what it says.
    classes = [name for name in class_folders(data_dir) if not (data_dir / name).is_symlink()]
    images = {image.name: image for image in image_files(data_dir)}
    open_ = _not_done(decisions, applied, images)
    if problems := [*_problems(open_, images, classes), *_emptied(open_, images)]:
        raise DataError(
            "Expected decisions that can all be applied: keep, drop or a class, one per image, for images as they were "
            "when the queue was written. Nothing was changed. Received:\n  " + "\n  ".join(problems)
        )
    listed = {row["file_name"] for row in read_metadata(data_dir / METADATA, images).unmatched}
    moves = _new_names(open_, {*images, *listed})
    drops = tuple(sorted(row.file_name for row in open_ if row.choice == DROP))
    staying = {row.sha256: row.file_name for row in open_ if row.choice != DROP}
    names = {row.file_name: moves.get(row.file_name, row.file_name) for row in open_} | dict.fromkeys(drops, "")
    return RelabelPlan(
        moves=moves,
        drops=drops,
        heirs={row.file_name: staying[row.sha256] for row in open_ if row.choice == DROP and row.sha256 in staying},
        kept=len(open_) - len(moves) - len(drops),
        done=len(decisions) - len(open_),
        conflicts=tuple(sorted(_conflicts(open_, images, moves, drops))),
        applied=tuple(Applied(row.file_name, row.sha256, row.choice, names[row.file_name]) for row in open_),
    )


def _not_done(
    decisions: Sequence[Decision], applied: Iterable[Applied], images: Mapping[str, ImageFile]
) -> list[Decision]:
    """The decisions that the record does not hold, or that somebody has undone since."""
    known: dict[str, list[Applied]] = {}
    for each in applied:
        known.setdefault(each.sha256, []).append(each)

    def is_done(row: Decision) -> bool:
        recorded = was_applied(row, known.get(row.sha256, ()))
        return recorded and _trouble(images.get(row.file_name), row.sha256) is not None

    return [row for row in decisions if not is_done(row)]


def build(intended: RelabelPlan, data_dir: Path, incoming: Path) -> None:
    """Make the new content of ``data_dir`` in the new folder ``incoming``, from links to its files where possible."""
    carry_over(data_dir, incoming, names=intended.moves, without=set(intended.drops))
    if (data_dir / METADATA).exists():
        _rewrite_metadata(intended, data_dir, incoming / METADATA)


def _problems(decisions: Sequence[Decision], images: Mapping[str, ImageFile], classes: Sequence[str]) -> Iterator[str]:
    times = Counter(row.file_name for row in decisions)
    reserved = [name for name in classes if name.lower() in (KEEP, DROP)]
    for row in decisions:
        if times[row.file_name] > 1:
            yield f"row {row.row}: {row.file_name} is decided {times[row.file_name]} times"
        if row.everywhere and row.choice == KEEP:
            yield f"row {row.row}: keep is unclear, because the image has several labels; name one, or drop"
        elif row.choice in (KEEP, DROP) and reserved:
            yield f"row {row.row}: {row.choice} is ambiguous, because there is a class {reserved[0]}"
        elif row.choice not in (KEEP, DROP, *classes):
            yield f"row {row.row}: {row.choice} is no class in {', '.join(classes)}"
        if trouble := _trouble(images.get(row.file_name), row.sha256):
            yield f"row {row.row}: {row.file_name} {trouble}"


def _trouble(image: ImageFile | None, expected: str) -> str | None:
    # Only names that were found in the data folder are ever opened: the file's could lead anywhere.
    if image is None:
        return "is not an image in the data folder"
    if image.refusal or image.stamp is None or Path(image.path).parent.is_symlink():
        return f"must not be changed: {image.refusal or 'a link'}"
    if not expected:
        return "has no sha256 to identify its content"
    if sha256(Path(image.path)) != expected:
        return "has changed since the queue was written"
    return None


def _emptied(decisions: Sequence[Decision], images: Iterable[str]) -> Iterator[str]:
    """Classes that would vanish, since the classes are the folders that hold images."""
    leaving = {row.file_name: row.choice for row in decisions if row.choice != KEEP}
    after = Counter(leaving.get(name, label_of(name)) for name in images)
    for label in sorted({label_of(name) for name in images}):
        if not after[label]:
            yield f"no image of {label} would be left"


def _new_names(decisions: Sequence[Decision], taken: Iterable[str]) -> dict[str, str]:
    used = set(map(folded, taken))
    moves = {}
    for row in sorted(decisions, key=lambda row: row.file_name):
        if row.choice not in (KEEP, DROP, label_of(row.file_name)):
            name = free_name(f"{row.choice}/{PurePosixPath(row.file_name).name}", row.sha256, used)
            used.add(folded(name))
            moves[row.file_name] = name
    return moves


def _conflicts(
    decisions: Sequence[Decision], images: Mapping[str, ImageFile], moves: Mapping[str, str], drops: Iterable[str]
) -> Iterator[tuple[str, str]]:
    hashes = {row.file_name: row.sha256 for row in decisions}
    contents = _Contents(images[name] for name in images.keys() - set(drops))
    for old, new in moves.items():
        for other in contents.places(old, hashes[old]):
            place = moves.get(other, other)
            if label_of(place) != label_of(new):
                yield new, place


def _rewrite_metadata(intended: RelabelPlan, data_dir: Path, target: Path) -> None:
    metadata = read_metadata(data_dir / METADATA, [image.name for image in image_files(data_dir)])
    kept = _inherited(intended, metadata)
    if kept != list(metadata.rows) or any(row["file_name"] in intended.moves for row in kept):
        renamed = [{**row, "file_name": intended.moves.get(row["file_name"], row["file_name"])} for row in kept]
        metadata.write(target, [*renamed, *metadata.unmatched])


def _inherited(intended: RelabelPlan, metadata: Metadata) -> list[Row]:
    """The rows of images that stay, with what only their dropped copies had: a group, a split, a source.

    Raises:
        DataError: two copies have different ones.
    """
    rows = {row["file_name"]: row for row in metadata.rows if row["file_name"] not in intended.drops}
    for row in metadata.rows:
        if heir := intended.heirs.get(row["file_name"]):
            own = rows.get(heir, dict.fromkeys(metadata.columns, ""))
            for column in COLUMNS[1:]:
                if (mine := own.get(column)) and (theirs := row.get(column)) and mine != theirs:
                    raise DataError(
                        f"Expected one {column} for all copies of an image. Received: {theirs} for {row['file_name']}, "
                        f"which is dropped, and {mine} for {heir}, which stays. Correct {METADATA} first."
                    )
            rows[heir] = {**row, **{column: value for column, value in own.items() if value}, "file_name": heir}
    return list(rows.values())
