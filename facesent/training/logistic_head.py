"""A head solved, not trained: logistic regression on the features of a frozen backbone.

On few images it does better than fine-tuning, which bends features that were learnt from far more.
"""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from facesent.core.console import progress_of
from facesent.images.augmentation.mixing import SoftTargets
from facesent.images.batches import TrainingBatches
from facesent.model.architectures.build import LOGITS
from facesent.model.backend import keras
from facesent.model.inference import compile_forward

if TYPE_CHECKING:
    from sklearn.linear_model import LogisticRegression

_MOST_ITERATIONS = 1000

Numbers = NDArray[np.float64]


def solve_head(model: keras.Model, batches: TrainingBatches, shrinkage: float) -> None:
    """Set the last layer to the minimum of the class-weighted log loss with shrunk weights.

    Args:
        model: from images to probabilities, as ``build`` gives it; all but its last layer stays as it is.
        batches: the training images with their classes and weights; they are not augmented, but also mirrored.
        shrinkage: as ``Head`` says.
    """
    head = model.get_layer(LOGITS)
    kernel, bias = solved(*_features(keras.Model(model.input, head.input), batches), shrinkage)
    head.kernel.assign(kernel)
    head.bias.assign(bias)


def solved(features: Numbers, targets: SoftTargets, weights: Numbers, shrinkage: float) -> tuple[Numbers, Numbers]:
    """Kernel ``(features, classes)`` and bias ``(classes,)`` at the minimum.

    Args:
        features: ``(images, features)``, of any scale: weights are shrunk as if each had a deviation of 1.
        targets: ``(images, classes)``, a distribution over the classes for each image; each class has a share in some.
        weights: ``(images,)``, of each image's loss.
        shrinkage: as ``Head`` says.
    """
    # Most heads are trained, and need none of it.
    from sklearn.linear_model import LogisticRegression
    from sklearn.preprocessing import StandardScaler

    scaler = StandardScaler().fit(features)
    # It takes one class a row.
    rows, classes = targets.nonzero()
    # scikit-learn minimises half the squared norm plus C times the sum of the losses; of two classes it takes one
    # column's, which is twice that of the two.
    scale = 2 if targets.shape[1] == 2 else 1
    regression = LogisticRegression(C=scale / (shrinkage * weights.sum()), max_iter=_MOST_ITERATIONS)
    counted = weights[rows] * targets[rows, classes]
    regression.fit(scaler.transform(features)[rows], classes, sample_weight=counted)
    kernel, bias = _of_each_class(regression)
    kernel = kernel / scaler.scale_[:, None]
    return kernel, bias - scaler.mean_ @ kernel


def _features(network: keras.Model, batches: TrainingBatches) -> tuple[Numbers, SoftTargets, Numbers]:
    """Of each image and its mirror image the features, the target and the weight."""
    forward = compile_forward(network)
    features, targets, weights = [], [], []
    seen, count = 0, len(batches.examples.targets)
    with progress_of("Reading features") as bar:
        for images, shares, weight in batches.unchanged():
            for side in (images, np.ascontiguousarray(images[:, :, ::-1])):
                features.append(forward(side))
                targets.append(shares)
                weights.append(weight)
            seen += len(images)
            bar(seen, count)
    return np.concatenate(features).astype(np.float64), np.concatenate(targets), np.concatenate(weights)


def _of_each_class(regression: "LogisticRegression") -> tuple[Numbers, Numbers]:
    """Kernel ``(features, classes)`` and bias ``(classes,)``; of two classes scikit-learn keeps one column."""
    kernel, bias = regression.coef_.T, regression.intercept_
    if kernel.shape[1] == 1:
        return np.hstack([-kernel, kernel]) / 2, np.concatenate([-bias, bias]) / 2
    return kernel, bias
