"""Networks that take next to nothing to build, train, save and load, for tests of what goes on around them."""

from typing import Any

import pytest

SMALL_NETWORK: dict[str, Any] = {"name": "mobilenet", "last_layer": "conv_pw_1_relu", "image_size": 32}


def slim_reference(patch: pytest.MonkeyPatch) -> None:
    """Let the reference network of this process have all its layers, but few weights in each."""
    from facesent.model.architectures import reference

    patch.setattr(reference, "FILTERS", (8, 8, 16, 16, 32, 32, 32))
    patch.setattr(reference, "DENSE_UNITS", (32,))
