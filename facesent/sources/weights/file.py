"""A backbone's weights as a file whose bytes depend on nothing but the weights."""

from pathlib import Path

import h5py

from facesent.core.files import replaced, sha256
from facesent.model.backend import keras


def save_weights(backbone: keras.Model, path: Path) -> str:
    """Write the weights as ``backbone.load_weights`` reads them, in one rename.

    Args:
        backbone: whose weights are written.
        path: ends in ``.weights.h5``; its folder is made.

    Returns:
        the file's SHA-256: 64 hex digits.
    """
    with replaced(path) as draft:
        named = draft.with_name("named.weights.h5")
        backbone.save_weights(named)
        _canonical(named, draft)
    return sha256(path)


def _canonical(source: Path, target: Path) -> None:
    """Copy without the layers' names: Keras finds weights by place and numbers the names through a process's models."""
    with h5py.File(source) as old, h5py.File(target, "w") as new:

        def copy(name: str, item: h5py.Group | h5py.Dataset) -> None:
            if isinstance(item, h5py.Group):
                new.create_group(name)
            else:
                new.create_dataset(name, data=item[()], track_times=False)

        old.visititems(copy)
