"""What a server is asked in a trial: photos that it has to answer and inputs that it has to refuse."""

import base64
import io
import json
from collections.abc import Mapping, Sequence

from PIL import Image

from facesent.data.images import MAX_PIXELS


def photos_body(photos: Sequence[bytes]) -> bytes:
    """The JSON that asks about image files, a row each."""
    return _rows("image", [base64.b64encode(photo).decode() for photo in photos])


def bad_bodies() -> Mapping[str, bytes]:
    """What no server may answer, by what is wrong with it."""
    photo = _file(Image.radial_gradient("L"), "JPEG")
    over_limit = _file(Image.new("1", (MAX_PIXELS // 1000 + 1, 1000)), "PNG")
    return {
        "A request without an image": photos_body([b""]),
        "A truncated photo": photos_body([photo[: len(photo) // 2]]),
        "A text file": photos_body([b"This is no photo.\n"]),
        "Text that is not base64": _rows("image", ["This is no base64."]),
        "A bad row beside a good one": photos_body([photo, b"This is no photo.\n"]),
        "Another column": _rows("picture", [base64.b64encode(photo).decode()]),
        "A photo over the pixel limit": photos_body([over_limit]),
        "Broken JSON": photos_body([photo])[:-2],
    }


def _rows(column: str, values: Sequence[str]) -> bytes:
    return json.dumps({"dataframe_split": {"columns": [column], "data": [[value] for value in values]}}).encode()


def _file(image: Image.Image, image_format: str) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, image_format)
    return buffer.getvalue()
