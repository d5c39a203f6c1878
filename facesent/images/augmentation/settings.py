"""Section ``train.augment`` of ``params.yaml``."""

from typing import Annotated

from pydantic import Field

from facesent.section import Below1, NotNegative, Section, Share


class Augment(Section):
    """Random changes, drawn anew for each image and epoch.

    Attributes:
        flip: mirror half of the images.
        rotation: degrees each way.
        zoom: share each way.
        shift: share of the side each way.
        occlude_eyes: share of the images whose band of the eyes is covered.
        occlude_mouth: share of the images whose mouth is covered.
        occlude_box: share of the images with a covered box anywhere.
        low_resolution: share of the images that are shrunk and enlarged again.
        jpeg: share of the images with the artefacts of strong JPEG compression.
        blur: share of the images that are blurred.
        gamma: of brightness: the exponent is drawn between 1 / (1 + gamma) and 1 + gamma.
        contrast: share each way.
        grey: share of the images without colour.
        colour_cast: share each way by which a channel is scaled.
        mixup: alpha of the Beta distribution that mixes two images of a batch and their targets; 0 for none.
        cutmix: alpha of the Beta distribution of the area that another image of the batch fills in; 0 for none.
    """

    flip: bool
    rotation: Annotated[float, Field(ge=0, le=180)]
    zoom: Below1
    shift: Below1
    occlude_eyes: Share = 0.0
    occlude_mouth: Share = 0.0
    occlude_box: Share = 0.0
    low_resolution: Share = 0.0
    jpeg: Share = 0.0
    blur: Share = 0.0
    gamma: NotNegative = 0.0
    contrast: Below1 = 0.0
    grey: Share = 0.0
    colour_cast: Below1 = 0.0
    mixup: NotNegative = 0.0
    cutmix: NotNegative = 0.0
