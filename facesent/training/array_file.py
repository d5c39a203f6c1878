"""Arrays in a file, with a header that has their hash: the file is whole, or it is told from a whole one.

The header comes first, and then the arrays, one after the other in NumPy's format.
"""

import hashlib
import json
import os
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from facesent.training.variables import Arrays

Header = dict[str, Any]

# What reading a file that is not there, or not whole, raises.
BROKEN = (FileNotFoundError, EOFError, KeyError, ValueError)


def write_arrays(path: Path, header: Header, arrays: Arrays) -> None:
    """Write a file in one step: a kill leaves the old one or the new one."""
    # Always of this name: the draft that a kill leaves is gone with the next one.
    draft = path.with_suffix(".draft")
    whole = {**header, "arrays": len(arrays), "sha256": _sha256(arrays)}
    with draft.open("wb") as file:
        np.save(file, np.array(json.dumps(whole)), allow_pickle=False)
        for array in arrays:
            np.save(file, array, allow_pickle=False)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)


def read_arrays(path: Path) -> tuple[Header, Arrays]:
    """Read a file.

    Raises:
        OSError, EOFError, KeyError, ValueError: those of ``BROKEN``, if it is not there or not as it was written.
    """
    with path.open("rb") as file:
        header = _header(file)
        arrays = [np.load(file, allow_pickle=False) for _ in range(header["arrays"])]
    if _sha256(arrays) != header["sha256"]:
        raise ValueError("bytes that differ from those written")
    return header, arrays


def read_header(path: Path) -> Header:
    """Read the header alone, which takes no time; raises as ``read_arrays``."""
    with path.open("rb") as file:
        return _header(file)


def _header(file: BinaryIO) -> Header:
    header: Header = json.loads(str(np.load(file, allow_pickle=False)))
    return header


def _sha256(arrays: Arrays) -> str:
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(f"{array.dtype} {array.shape}".encode())
        digest.update(np.ascontiguousarray(array).reshape(-1).data)
    return digest.hexdigest()
