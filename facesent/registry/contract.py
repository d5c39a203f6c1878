"""What a request to a served version may ask for, by name; served with the model, so it imports little."""

from typing import Literal

from facesent.core.cropping import CROPS as CUTS
from facesent.core.cropping import Crop

# The column of a request's photos.
COLUMN = "image"
# A version from before one of these knows nothing of it.
MIN_CONFIDENCE, TOP_K, CROP, UNLIKE = "min_confidence", "top_k", "crop", "unlike"
Crops = Crop | Literal["all"]
CROPS: tuple[Crops, ...] = (*CUTS, "all")
UNLIKES = ("none", "mark", "uncertain")
