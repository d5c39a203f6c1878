"""Files that may hold the images of a class and are not looked into, told by their suffix."""

from pathlib import PurePath

_ARCHIVES = {".zip", ".tar", ".gz", ".tgz", ".bz2", ".tbz", ".tbz2", ".xz", ".txz", ".zst", ".7z", ".rar"}
_VIDEOS = {".mp4", ".m4v", ".mov", ".avi", ".mkv", ".webm", ".mpg", ".mpeg", ".wmv", ".3gp"}


def is_archive(name: str) -> bool:
    """Whether a file of that name is packed from others."""
    return PurePath(name).suffix.lower() in _ARCHIVES


def may_hold_images(name: str) -> bool:
    """Whether people find images in a file of that name once they unpack it, or take its frames out."""
    return is_archive(name) or PurePath(name).suffix.lower() in _VIDEOS
