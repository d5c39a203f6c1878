import numpy as np
import pytest

from facesent.model.backend import keras
from facesent.training.optimizer import FusedAdam


def trained(optimizer: keras.optimizers.Optimizer, steps: int) -> list[np.ndarray]:
    chance = np.random.default_rng(0)
    variables = [keras.Variable(chance.normal(size=shape).astype("float32")) for shape in ((3, 4), (4,))]
    optimizer.build(variables)
    for _ in range(steps):
        gradients = [keras.ops.convert_to_tensor(chance.normal(size=v.shape).astype("float32")) for v in variables]
        optimizer.apply(gradients, variables)
    return [np.array(v) for v in (*variables, *optimizer.variables)]


@pytest.mark.parametrize("options", [{}, {"amsgrad": True}, {"weight_decay": 0.01, "clipnorm": 1.0}])
def test_the_fused_update_is_that_of_keras(options: dict[str, float]) -> None:
    plain = trained(keras.optimizers.Adam(0.01, **options), steps=20)
    fused = trained(FusedAdam(0.01, **options), steps=20)
    assert len(fused) == len(plain)
    for ours, theirs in zip(fused, plain, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-6)
