"""The embedded dataset: six classes of drawn faces, the same bytes on every machine.

Every picture is a function of (seed, person, image) alone. What could differ between machines is left out:
random numbers come from Philox as integers and uniform doubles, shapes are filled in fixed-point arithmetic
from coordinates rounded to an eighth of a pixel, and blending, blur, light and noise are integer arithmetic.
"""

from facesent.data.sample.dataset import draw_dataset

__all__ = ["draw_dataset"]
