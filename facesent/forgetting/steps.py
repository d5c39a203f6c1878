"""The steps by which a person is forgotten: each may be ended in the middle, and is then done again."""

import csv
import shutil
from collections.abc import Callable
from pathlib import Path

import pandas as pd

from facesent.core.files import replaced, sha256
from facesent.core.paths import Project
from facesent.core.programs import Log
from facesent.dataset.assignment import of_strangers, read_assignment, remembered, write_assignment
from facesent.dataset.files import METADATA, walk_files
from facesent.dataset.metadata import Metadata, read_metadata
from facesent.forgetting import files, objects
from facesent.forgetting.answers import forget_answers
from facesent.forgetting.person import NOTHING, Person, done, with_versions
from facesent.people import cache
from facesent.registry import forgetting
from facesent.section import section
from facesent.sources import dvc
from facesent.training.settings import Train

_RECORD = ("id", "when", "images", "versions")
_REPORT, _PREDICTIONS = "report.html", "predictions.csv"


def mark_versions(project: Project, person: Person, log: Log) -> Person:
    """First of all, so that nothing that has seen the images is promoted meanwhile."""
    trained = forgetting.trained_on(person.knows)
    forgetting.mark(trained, person.when)
    if trained.versions:
        log(f"Versions {', '.join(map(str, trained.versions))}: retrain-required.")
    return with_versions(project.root, person, trained.versions)


def remove_images(project: Project, person: Person, log: Log) -> None:
    """From ``data/``, with their rows of ``metadata.csv``; DVC then has the folder as it is."""
    if not project.data.is_dir():
        return
    sizes = {content.size for content in person.contents}
    files_there = dict(walk_files(project.data))
    near = [name for name, size in files_there.items() if size in sizes]
    theirs = {name for name in near if _sha256_of(project.data / name) in person.sha256s}
    theirs |= {name for name, size in files_there.items() if size == NOTHING.size and person.shows(name)}
    _rewrite_metadata(project.data / METADATA, set(files_there) - {METADATA}, theirs, person)
    for name in theirs:
        (project.data / name).unlink()
    # Whatever changed: without a cache, DVC's status says nothing of that.
    if dvc.pointer(project.data).is_file():
        dvc.track(project.data)
    log(f"data/: {len(theirs)} images removed.")


def forget_splits(project: Project, person: Person, log: Log) -> None:
    """A perceptual hash is made of the photo: the rows of ``assignment.csv`` go too."""
    if not project.assignment.is_file():
        return
    table = read_assignment(project.assignment)
    if person.knows(table).any():
        kept = _without(table, person)
        write_assignment(project.assignment, kept)
        log(f"assignment.csv: {len(table) - len(kept)} rows removed.")


def _without(table: pd.DataFrame, person: Person) -> pd.DataFrame:
    """The rows of ``assignment.csv`` that stay."""
    theirs = person.knows(table)
    # Filed so once, and somebody else's now: an image that stays keeps its split.
    stay = theirs & ~person.knows(table.assign(person=""))
    return remembered(of_strangers(table[stay]), table[~theirs])


def forget_soft_targets(project: Project, person: Person, log: Log) -> None:
    """The networks that gave them have learned from the images, whomever the other rows are of: all go."""
    for path in soft_targets_of(project, person.has):
        path.unlink()
        log(f"{path.name}: removed.")


def soft_targets_of(project: Project, chooser: files.Chooser) -> list[Path]:
    """Those with a row that is chosen: where the flow writes them, also in copies that were left, and where named."""
    places = [place.parent / project.soft_targets.name for place in files.output_folders(project.outputs)]
    named = soft_targets_named(project)
    found = [path for path in {*places, project.soft_targets, named} if path and path.is_file()]
    return sorted(path for path in found if files.lists(path.read_bytes(), path.name, chooser))


def soft_targets_named(project: Project) -> Path | None:
    """The file that the settings name."""
    learned = section(project.params, "train", Train).distillation
    return project.root / learned.soft_targets if learned.is_on else None


def clear_outputs(project: Project, person: Person, log: Log) -> None:
    """Pages and sheets, rows of tables, and what was kept to be quicker next time."""
    project.scan_cache.unlink(missing_ok=True)
    cache.forget(project.people_cache, person.is_of)
    for folder in (project.checkpoint, *project.outputs.glob("*/checkpoints")):
        shutil.rmtree(folder, ignore_errors=True)
    places = list(files.output_folders(project.outputs))
    pictures = sum(files.remove_pictures(place, person) for place in places)
    if any(files.lists(path.read_bytes(), path.name, person.has) for path in _trained(project)):
        # The model here knows them: without its measures it is not registered before it is trained again.
        project.metrics.unlink(missing_ok=True)
    rows = sum(files.remove_rows(place, project.data, person) for place in places)
    log(f"outputs/: {pictures} pages and pictures removed, {rows} rows of tables.")


def clear_dvc(project: Project, person: Person, log: Log) -> None:
    """The images and the reports that show them, from the cache and every remote."""
    with objects.opened(project.root, alone=True) as kept:
        removed = kept.remove({*person.md5s, *shown_in(kept, person)})
    log(f"DVC: {removed} objects removed from cache and remotes.")
    for name in kept.absent:
        log(f"DVC: the folder of the remote {name} is not there. If its disk is away, run the same when it is back.")


def clear_mlflow(project: Project, person: Person, log: Log) -> None:
    """Sheets and pages of runs, and what models keep of each training image."""

    def theirs(table: pd.DataFrame) -> "pd.Series[bool]":
        return person.may_have(files.about(table))

    forgetting.forget_splits(lambda table: _without(table, person))
    removed = forgetting.remove_pictures(person.knows, theirs, files.is_no_picture)
    embeddings = forgetting.remove_embeddings(person.knows)
    log(f"MLflow: {removed} pages and sheets removed, {embeddings} embeddings taken out of models.")


def clear_answers(project: Project, person: Person, log: Log) -> None:
    """The log of answers."""
    log(f"Log of answers: {forget_answers(project, person)} removed.")


def remove_copies(project: Project, person: Person, log: Log) -> None:
    """Whatever else in the project has the bytes of an image."""
    for role in ("download", "incoming"):
        # An archive holds them in a form in which nobody finds them.
        shutil.rmtree(project.data.with_name(f".{project.data.name}-{role}"), ignore_errors=True)
    if found := files.remove_copies(project.root, person):
        log(f"{len(found)} further copies removed.")


def record(project: Project, person: Person, log: Log) -> None:
    """Write down that somebody was forgotten; not who."""
    row = [person.id, person.when, str(len(person.contents) + len(person.lost)), " ".join(map(str, person.versions))]
    path = project.forgotten
    lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else [",".join(_RECORD)]
    rows = list(csv.reader(lines))
    if not any(person.id in known for known in rows):
        with replaced(path) as draft, draft.open("w", encoding="utf-8", newline="") as file:
            csv.writer(file, lineterminator="\n").writerows([*rows, row])
    log(f"{path.name}: recorded as {person.id}.")


Step = Callable[[Project, Person, Log], Person | None]
STEPS: tuple[Step, ...] = (
    mark_versions, remove_images, forget_splits, forget_soft_targets, clear_outputs, clear_dvc, clear_mlflow,
    clear_answers, remove_copies, record,
)  # fmt: skip


def forget(project: Project, person: Person, log: Log) -> Person:
    """Do all steps for a person who is kept, and have nobody kept in the end.

    Args:
        project: whose images and reports; nobody else uses its images.
        person: as ``keep`` was given it.
        log: hears of each step.

    Raises:
        FacesentError: a store cannot be reached; the next call goes on.
    """
    for step in STEPS:
        person = step(project, person, log) or person
    done(project.root)
    return person


def shown_in(kept: objects.Objects, person: Person) -> set[str]:
    """The objects that show the images, tables that name them, and with ``purge_history`` lists of their hashes."""
    found: set[str] = set()
    for listing in kept.listings:
        theirs = {md5 for name, md5 in listing.files.items() if _names(kept, name, md5, person)}
        if METADATA in listing.files and person.md5s & set(listing.files.values()):
            theirs.add(listing.files[METADATA])
        if _REPORT in listing.files and _lists(kept, listing, person):
            shown = [name for name in listing.files if name == _PREDICTIONS or not files.is_no_picture(name)]
            theirs |= {listing.files[name] for name in shown}
        if person.purge_history and (theirs | person.md5s) & set(listing.files.values()):
            theirs.add(listing.oid)
        found |= theirs
    return found


def affected(kept: objects.Objects, person: Person) -> set[str]:
    """The folders of earlier commits that cannot be had any more as they were, as DVC calls them."""
    gone = {*person.md5s, *shown_in(kept, person)}
    return {listing.oid for listing in kept.listings if gone & {listing.oid, *listing.files.values()}}


def _names(kept: objects.Objects, name: str, md5: str, person: Person) -> bool:
    """Whether a file is a table that names the images."""
    content = kept.content(md5) if files.is_table(name) else None
    return content is not None and files.lists(content, name, person.has)


def _lists(kept: objects.Objects, listing: objects.Listing, person: Person) -> bool:
    """Whether the test images of a report are the person's, as far as that can be told."""
    content = kept.content(listing.files[_PREDICTIONS]) if _PREDICTIONS in listing.files else None
    return content is None or files.lists(content, _PREDICTIONS, person.may_have)


def _trained(project: Project) -> list[Path]:
    return [path for name in ("train", "val") if (path := project.split(name)).is_file()]


def _sha256_of(path: Path) -> str:
    return sha256(path) if path.is_file() else ""


def _rewrite_metadata(path: Path, names: set[str], theirs: set[str], person: Person) -> None:
    """Without the rows of the person's groups and images, also of those that are gone already."""
    if not path.is_file():
        return
    metadata = read_metadata(path, names) if names else Metadata()
    rows = [*metadata.rows, *metadata.unmatched]
    gone = theirs | {row["file_name"] for row in metadata.unmatched if person.shows(row["file_name"])}
    named = person.has(files.about(pd.DataFrame(rows)))
    left = [row for row, is_named in zip(rows, named, strict=True) if not (is_named or row["file_name"] in gone)]
    if not names or (rows and not {row["file_name"] for row in left} & names):
        # A table of which no row names an image is refused.
        path.unlink()
    elif len(left) < len(rows):
        metadata.write(path, left)
