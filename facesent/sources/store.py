"""How new content takes the place of ``data/`` without ever destroying the old.

New content is built in a folder beside ``data/`` and takes its place by renames. It counts as installed once DVC has
it: a kill before that leaves, after the next call of `alone`, what was there before.
"""

import filecmp
import os
import shlex
import shutil
import stat
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain, count
from pathlib import Path, PurePosixPath

import psutil

from facesent.core.errors import DataError
from facesent.core.files import DRAFT, images_alone
from facesent.core.text import folded
from facesent.core.trouble import Trouble
from facesent.dataset.files import METADATA, Contents, ImageFile, describe, walk_files
from facesent.sources import dvc
from facesent.sources.dvc import Tracking


@dataclass(frozen=True)
class Installed:
    """What `install` did.

    Attributes:
        contents: of the data folder now.
        changed: whether it holds something else than before.
        tracked: whether DVC has it.
        way_back: the commands that bring the old content back; None where there is nothing to go back to.
    """

    contents: Contents
    changed: bool
    tracked: bool
    way_back: str | None = None


def downloads(data_dir: Path) -> Path:
    """The folder beside ``data_dir`` in which a broken download waits to go on."""
    return _beside(data_dir, "download")


def link_trouble(data_dir: Path) -> Trouble | None:
    """That the data folder is a link, which DVC does not track, and what to do; None for any other."""
    if not data_dir.is_symlink():
        return None
    target, place = os.path.realpath(data_dir), shlex.quote(str(data_dir))
    if not Path(target).is_dir():
        return Trouble(f"{data_dir}/", f"a link to {target}, where no folder is", f"Remove it: rm {place}")
    elsewhere = "" if data_dir == Path("data") else f" --data {place}"
    way = f"rm {place} && facesent data import {shlex.quote(target)} --link{elsewhere}"
    what = f"a link to {target}, which `dvc add` refuses"
    return Trouble(f"{data_dir}/", what, f"Take its images in: {way}")


def mount_trouble(data_dir: Path) -> Trouble | None:
    """That a disk is mounted at the data folder or below it, so that it cannot be renamed; None for any other."""
    # os.path.ismount does not see a folder that is mounted from the same disk.
    mounts = [Path(part.mountpoint) for part in psutil.disk_partitions(all=True)]
    found = next((mount for mount in mounts if mount.is_relative_to(data_dir.resolve())), None)
    if found is None:
        return None
    what = f"a disk or volume is mounted at {found}"
    return Trouble(f"{data_dir}/", what, "Mount one at a folder above, such as the project's, instead.")


def require_folder(data_dir: Path) -> None:
    """Refuse what cannot be a data folder; it need not be there.

    Raises:
        DataError: it is a link, a file, or the working folder.
    """
    if trouble := link_trouble(data_dir):
        raise DataError(f"Expected a folder for the images in {data_dir}. Received: {trouble.what}. {trouble.advice}")
    if data_dir.name in ("", "..") or (data_dir.exists() and not data_dir.is_dir()):
        raise DataError(
            f"Expected a folder for the images. Received: {data_dir}. Name another one with --data, or move the file "
            "away."
        )


def require_replaceable(data_dir: Path) -> None:
    """Refuse what new content could not take the place of, before any work is done.

    Raises:
        DataError: as `require_folder`, or a disk is mounted at ``data_dir`` or below it.
    """
    require_folder(data_dir)
    if trouble := mount_trouble(data_dir):
        raise DataError(
            f"Expected {data_dir} to be a plain folder, whose place new content can take. Received: {trouble.what}. "
            f"{trouble.advice}"
        )


@contextmanager
def alone(data_dir: Path) -> Iterator[None]:
    """Have the data folder alone, and put right what a kill left.

    Raises:
        FilesError: another process reads or changes the images.
        DataError: as `require_folder`.
    """
    require_folder(data_dir)
    data_dir.parent.mkdir(parents=True, exist_ok=True)
    with images_alone(data_dir):
        recover(data_dir)
        for left in (_beside(data_dir, "incoming"), *data_dir.glob(f"{DRAFT}*")):
            if left.is_dir() and not left.is_symlink():
                _remove(left)
        yield


@contextmanager
def staging(data_dir: Path) -> Iterator[Path]:
    """Have the data folder `alone`, and a path beside it to build new content at.

    Whatever is at that path in the end, and was not installed, is removed.

    Raises:
        FilesError: as `alone`.
        DataError: as `require_replaceable`.
    """
    require_replaceable(data_dir)
    with alone(data_dir):
        scratch = _beside(data_dir, "incoming")
        scratch.mkdir()
        try:
            yield scratch / "content"
        finally:
            _remove(scratch)


def recover(data_dir: Path) -> None:
    """Finish or undo an installation that was killed; call it through `alone`, which keeps others away."""
    outgoing = _beside(data_dir, "outgoing")
    if not outgoing.exists():
        return
    if data_dir.exists():
        if dvc.tracking(data_dir) in (Tracking.MATCHES, Tracking.NO_DVC):
            _discard(outgoing, data_dir)
            return
        _set_aside(data_dir, data_dir)
    outgoing.rename(data_dir)


def recover_after_kill(data_dir: Path) -> None:
    """`recover`, if something is left to be recovered; for those who only look.

    Raises:
        FilesError: another process is at work there.
    """
    if _beside(data_dir, "outgoing").exists():
        with alone(data_dir):
            pass


def refuse_to_overwrite(data_dir: Path, *, replace: bool) -> None:
    """Stop before any work is done that `install` would refuse in the end.

    Raises:
        DataError: ``data_dir`` is not empty and ``replace`` is False.
    """
    contents = describe(data_dir)
    if not contents.empty and not replace:
        raise DataError(
            f"Expected {data_dir} to be empty. Received: {contents}. To replace it, add --replace: the "
            "previous content stays in DVC's cache, and you are told how to restore it."
        )


def install(incoming: Path, data_dir: Path, *, replace: bool) -> Installed:
    """Put ``incoming``, from `staging`, in the place of ``data_dir``, and under DVC.

    The old content goes into DVC's cache first; outside of a DVC repository it is kept beside as ``data.old``. Where
    nothing is there, what the ``.dvc`` file describes is the old content. The same content again changes nothing.
    Whatever fails before DVC has the new content, ``data_dir`` is then as it was; what fails later, as the old content
    is removed, leaves the new.

    Raises:
        DataError: ``data_dir`` is not empty and ``replace`` is False, DVC refuses, or the old content may not be
            removed.
    """
    old = describe(data_dir)
    if not old.empty and _same_content(incoming, data_dir):
        return Installed(old, changed=False, tracked=dvc.track(data_dir))
    refuse_to_overwrite(data_dir, replace=replace)
    described = dvc.is_known(data_dir) if old.empty else dvc.track(data_dir)
    way_back = dvc.way_back(data_dir) if described else None
    tracked = _exchange(incoming, data_dir)
    outgoing = _beside(data_dir, "outgoing")
    if outgoing.exists():
        kept = _discard(outgoing, data_dir)
        if kept:
            way_back = f"mv {data_dir} {data_dir}.new && mv {kept} {data_dir}"
    return Installed(describe(data_dir), changed=True, tracked=tracked, way_back=way_back)


def by_size(images: Iterable[ImageFile]) -> dict[int, list[ImageFile]]:
    """The images that may be read, by their bytes: only those of one size can have one content."""
    found: dict[int, list[ImageFile]] = {}
    for image in images:
        if image.stamp is not None and not image.refusal:
            found.setdefault(image.stamp.size, []).append(image)
    return found


def carry(source: Path, target: Path, *, link: bool) -> bool:
    """Bring one file into new content, as a hard link where that is asked for and possible; True if so.

    A link stays one.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    if link and not source.is_symlink():
        try:
            os.link(source, target)
            return True
        except FileExistsError:
            # The copy would write through the link, into somebody's original.
            raise
        except OSError:
            # Another file system, one without links, or another user's file: the copy below tells of any other trouble.
            pass
    shutil.copyfile(source, target, follow_symlinks=False)
    return False


def carry_over(data_dir: Path, incoming: Path, *, names: Mapping[str, str], without: Collection[str] = ()) -> None:
    """Bring the old content into the new folder ``incoming``, without copying images where DVC has them.

    Args:
        data_dir: the old content.
        incoming: for the new one.
        names: of files that get another name, as they are and as they shall be.
        without: names of files that are left out.
    """
    # Without DVC the old folder is kept as the way back, and must not change with the new one.
    link = dvc.repository(data_dir) is not None
    for name, _ in walk_files(data_dir):
        if name not in without:
            # People edit the table in place.
            carry(data_dir / name, incoming / names.get(name, name), link=link and name != METADATA)


def free_name(name: str, sha256: str, taken: Collection[str]) -> str:
    """``<Class>/<image>``, with as much of the image's hash appended as tells it from the names that are taken.

    Args:
        name: as it should be.
        sha256: of the image, 64 hex digits.
        taken: as ``folded`` gives them.
    """
    path = PurePosixPath(name)
    longer = (f"{path.parent}/{path.stem}-{sha256[:digits]}{path.suffix}" for digits in range(8, len(sha256) + 1))
    return next(each for each in chain([name], longer) if folded(each) not in taken)


def _exchange(incoming: Path, data_dir: Path) -> bool:
    outgoing = _beside(data_dir, "outgoing")
    had = data_dir.exists()
    if had:
        data_dir.rename(outgoing)
    try:
        incoming.rename(data_dir)
        return dvc.track(data_dir)
    except BaseException:
        if data_dir.exists():
            _set_aside(data_dir, data_dir)
        if had:
            outgoing.rename(data_dir)
        raise


def _set_aside(content: Path, data_dir: Path) -> Path:
    """Give content up in one step: where it is then, `alone` removes what is left of it."""
    scratch = _beside(data_dir, "incoming")
    _remove(scratch)
    content.rename(scratch)
    return scratch


def _discard(outgoing: Path, data_dir: Path) -> Path | None:
    """Drop the old content where DVC's cache has it; keep it, and say where, elsewhere."""
    if dvc.repository(data_dir) is not None or describe(outgoing).empty:
        # A kill while it is removed must not leave half of it where `recover` would take it for whole.
        _remove(_set_aside(outgoing, data_dir))
        return None
    names = (data_dir.with_name(f"{data_dir.name}.old{number or ''}") for number in count())
    kept = next(path for path in names if not path.exists())
    outgoing.rename(kept)
    return kept


def _beside(data_dir: Path, role: str) -> Path:
    # A sibling is on the same file system, so that a rename is one step; hidden, so that no glob takes it for data.
    return data_dir.with_name(f".{data_dir.name}-{role}")


def _remove(folder: Path) -> None:
    if not folder.exists():
        return
    try:
        _let_be_emptied(folder)
        shutil.rmtree(folder)
    except PermissionError as error:
        raise DataError(
            f"Expected to remove {folder}, which is not used any more. Received: {error.strerror}, {error.filename}. "
            f"Remove it: sudo rm -r {shlex.quote(str(folder))}"
        ) from None


def _let_be_emptied(folder: Path) -> None:
    """Class folders that somebody made read-only keep their mode when they are moved."""
    mode = folder.stat().st_mode
    if mode & stat.S_IRWXU != stat.S_IRWXU:
        folder.chmod(mode | stat.S_IRWXU)
    for inner in folder.iterdir():
        if inner.is_dir() and not inner.is_symlink():
            _let_be_emptied(inner)


def _same_content(one: Path, other: Path) -> bool:
    files = dict(walk_files(one))
    if files != dict(walk_files(other)):
        return False
    return all(filecmp.cmp(one / name, other / name, shallow=False) for name in files)
