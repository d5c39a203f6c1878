"""How whole photos are cut to a face: the same words and the same default wherever photos come in."""

from typing import Literal, get_args

Crop = Literal["none", "largest"]
CROPS: tuple[Crop, ...] = get_args(Crop)
DEFAULT_CROP: Crop = "none"
"""The default everywhere."""
