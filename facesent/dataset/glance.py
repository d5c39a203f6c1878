"""What ``validate`` would refuse in a folder of images, as far as names tell: none is opened."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from facesent.core.errors import DataError
from facesent.core.text import some
from facesent.dataset.files import METADATA, class_folders, image_files, in_deeper_folders, label_of
from facesent.dataset.metadata import read_metadata
from facesent.dataset.settings import Validate


def check_folders(data_dir: Path, params: Validate) -> None:
    """Look at folders, names and ``metadata.csv``, in milliseconds for any number of images.

    Raises:
        DataError: of what is there nothing could be trained on, or ``metadata.csv`` is wrong.
    """
    classes = without_excluded(class_folders(data_dir), params.exclude)
    files = image_files(data_dir)
    counts = Counter(label_of(file.name) for file in files if not file.refusal)
    least = params.min_images_per_class
    if few := [f"{name} ({counts[name]})" for name in classes if counts[name] < least]:
        raise DataError(
            f"Expected at least {least} images in each class folder of {data_dir} (validate.min_images_per_class). "
            f"Received: {some(few)}.{in_deeper_folders(data_dir) or ' Add images, or remove the folder.'}"
        )
    if len(classes) < 2:
        raise DataError(f"Expected two class folders or more in {data_dir}. Received: {', '.join(classes)}.")
    read_metadata(data_dir / METADATA, [file.name for file in files])


def without_excluded(folders: Sequence[str], exclude: Sequence[str]) -> list[str]:
    """The classes that are not left out.

    Raises:
        DataError: a class that is to be left out is none.
    """
    if unknown := sorted(set(exclude) - set(folders)):
        raise DataError(
            f"Expected class folders in validate.exclude: {', '.join(folders)}. Received: {', '.join(unknown)}. "
            "Correct the names in params.yaml."
        )
    return [name for name in folders if name not in exclude]
