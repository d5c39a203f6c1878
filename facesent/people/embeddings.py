"""Faces as vectors that are alike where the person is the same, from a network that learnt to tell people apart."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import cast

import numpy as np
from numpy.typing import NDArray

from facesent.core.console import NO_PROGRESS, Progress
from facesent.core.errors import FacesentError
from facesent.images.reading import Pixels, read_images
from facesent.model.architectures.build import build
from facesent.model.backend import keras
from facesent.model.inference import compile_forward, in_batches
from facesent.model.settings import Model
from facesent.model.weights import load_pretrained
from facesent.people.cache import Embedding, opened
from facesent.sources.weights import catalogue

NETWORK = "vggface2_mobilenet"
SIDE = 224
_BATCH = 32
# Read, embedded and kept at once: what a kill costs.
_KEPT = 256

Embed = Callable[[Pixels], Embedding]


def identity_network(weights: Path) -> Embed:
    """The function from faces ``(n, SIDE, SIDE, 3)`` to embeddings ``(n, d)``, the mean over each and its mirror image.

    Args:
        weights: the file that ``facesent weights`` makes of ``NETWORK``.

    Raises:
        FacesentError: the file is not there, or another one.
    """
    source = catalogue.source_named(NETWORK)
    if not weights.is_file():
        raise FacesentError(
            f"Expected the weights for recognising people in {weights}. Received: no such file. "
            f"Run: facesent weights {NETWORK}"
        )
    settings = Model(
        name="mobilenet", image_size=SIDE, weights=str(weights), weights_sha256=source.sha256, scaling=source.scaling,
        dropout=0.0, batch_norm_momentum=0.99,
    )  # fmt: skip
    network = build(settings, classes=2)
    load_pretrained(network, settings)
    forward = compile_forward(keras.Model(network.input, network.get_layer("head_average").output))

    def embed(faces: Pixels) -> Embedding:
        sides = [np.concatenate(in_batches(forward, side, _BATCH)) for side in (faces, faces[:, :, ::-1])]
        mean = sum(side / np.maximum(np.linalg.norm(side, axis=1, keepdims=True), 1e-12) for side in sides)
        # The root: a few strong features would decide alone otherwise.
        return cast(Embedding, np.sqrt(mean).astype(np.float16))

    return embed


def embeddings(
    files: Mapping[str, Path],
    weights: Path,
    cache: Path | None,
    progress: Progress = NO_PROGRESS,
) -> NDArray[np.float32]:
    """The embeddings of faces, ``(n, d)``; those that the cache knows are not computed again.

    Args:
        files: a readable image for each content, by its SHA-256.
        weights: as for ``identity_network``.
        cache: the file of earlier embeddings, which then has those of ``files`` too; None keeps none.
        progress: called with (images done, images in all).

    Raises:
        FacesentError: the weights are not there or others, or an image cannot be read any more.
    """
    sha256s, wanted = list(files), set(files)
    with opened(cache, f"{catalogue.source_named(NETWORK).sha256} {SIDE}") as store:
        found = dict(store.known(wanted))
        missing = [sha256 for sha256 in sha256s if sha256 not in found]
        embed: Embed | None = None
        for start in range(0, len(missing), _KEPT):
            chunk = missing[start : start + _KEPT]
            embed = embed or identity_network(weights)
            made = embed(read_images([files[sha256] for sha256 in chunk], SIDE))
            store.add(chunk, made)
            found |= zip(chunk, made, strict=True)
            progress(len(found), len(sha256s))
    matrix = np.empty((len(sha256s), len(found[sha256s[0]])), np.float32)
    for row, sha256 in enumerate(sha256s):
        matrix[row] = found[sha256]
    return matrix
