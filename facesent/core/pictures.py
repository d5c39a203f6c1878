"""Pictures as files."""

import io
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from PIL.Image import Image


def encoded(image: "Image", kind: str = "PNG", **options: Any) -> bytes:
    """The bytes of a picture's file.

    Args:
        image: the picture.
        kind: of file, as Pillow names it.
        options: of Pillow for that kind.
    """
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()
