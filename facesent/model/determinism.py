"""The same seed gives the same weights, on every backend."""

from facesent.model.backend import keras


def make_deterministic(seed: int) -> None:
    """Seed every generator and take deterministic kernels."""
    keras.utils.set_random_seed(seed)
    if keras.backend.backend() == "tensorflow":
        import tensorflow

        tensorflow.config.experimental.enable_op_determinism()
    elif keras.backend.backend() == "torch":
        import torch

        torch.use_deterministic_algorithms(True)


def reseed(seed: int) -> None:
    """Seed what a checkpoint does not hold: PyTorch's own generator, from which Keras's dropout draws there."""
    if keras.backend.backend() == "torch":
        import torch

        torch.manual_seed(seed)
