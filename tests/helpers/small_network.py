"""A network that takes next to nothing to build, train, save and load, for tests of what goes on around it."""

from typing import Any

SMALL_NETWORK: dict[str, Any] = {"name": "mobilenet", "last_layer": "conv_pw_1_relu", "image_size": 32}
