"""What DVC's own files say."""

from pathlib import Path


def repository_root(folder: Path) -> Path | None:
    """The root of the DVC repository that ``folder`` is in, if there is one."""
    folder = folder.resolve()
    return next((place for place in (folder, *folder.parents) if (place / ".dvc").is_dir()), None)


def md5_of(pointer: Path) -> str | None:
    """The hash in a ``.dvc`` file; None where it cannot be read."""
    import yaml

    try:
        return str(yaml.safe_load(pointer.read_text(encoding="utf-8"))["outs"][0]["md5"])
    except (OSError, yaml.YAMLError, KeyError, TypeError, IndexError, UnicodeDecodeError):
        return None
