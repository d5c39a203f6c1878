"""Requests that no server should answer with a prediction, or with an error of its own: the same ones each time."""

import base64
import io
import json
import struct
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import Enum
from functools import cache
from random import Random
from typing import Any

from PIL import Image

from facesent.core.pictures import encoded
from facesent.serving.client import photos_body

JSON = "application/json"
# Characters of base64, for a photo over the server's 20 MiB.
TOO_LARGE = 30_000_000
# Finding a face takes several times as long as the rest of an answer.
_CROPS = ("none", "none", "none", "largest")
_FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP")
_NO_PHOTO = base64.b64encode(b"This is no photo.").decode()


class Expected(Enum):
    """What is the right answer."""

    ANSWERED = "200"
    REFUSED = "4xx"
    # What a fuzzer made of JSON may be another good request.
    EITHER = "200 or 4xx"
    NOTHING = "none: the client hung up"


@dataclass(frozen=True)
class Request:
    """One request to ``/invocations``; a client that hangs up sends only ``share`` of head and body."""

    kind: str
    body: bytes = field(repr=False)
    expected: Expected = Expected.REFUSED
    content_type: str | None = JSON
    share: float = 1.0


def bad_requests(photos: Sequence[bytes], count: int, seed: int) -> list[Request]:
    """``count`` requests of all kinds, in random order.

    Args:
        photos: whole image files, to spoil.
        count: the kinds share it by their weights.
        seed: of every choice, the fuzzer's too.

    Raises:
        ModuleNotFoundError: without pyradamsa; the extra ``benchmarks`` has it.
    """
    random = Random(seed)  # noqa: S311
    names = random.choices(list(_KINDS), [weight for weight, _ in _KINDS.values()], k=count)
    # Each kind at least once, in short runs too.
    names[: len(_KINDS)] = list(_KINDS)[:count]
    random.shuffle(names)
    files = [_in_format(photo, name) for photo, name in zip(photos, _FORMATS * len(photos), strict=False)]
    return [_KINDS[name][1](name, random, files) for name in names]


def _in_format(photo: bytes, name: str) -> bytes:
    """A small copy, so that mutations also hit the heads of files, not only their pixels."""
    return encoded(Image.open(io.BytesIO(photo)).resize((96, 80)), name)


def _mutated(content: bytes, random: Random) -> bytes:
    from pyradamsa import Radamsa

    return bytes(Radamsa().fuzz(content, seed=random.getrandbits(32)))


def _mutated_photo(kind: str, random: Random, files: Sequence[bytes]) -> Request:
    content = _mutated(random.choice(files), random)
    body = _asking(base64.b64encode(content).decode(), params={"crop": random.choice(_CROPS)})
    return Request(kind, body, Expected.ANSWERED if _is_photo(content) else Expected.REFUSED)


def _is_photo(content: bytes) -> bool:
    from facesent.images.reading import decode

    try:
        decode(content, None)
    except Exception:
        # Other than ImageError it is our fault: the server's answer then shows it.
        return False
    return True


def _cut_photo(kind: str, random: Random, files: Sequence[bytes]) -> Request:
    content = random.choice(files)
    return Request(kind, photos_body([content[: random.randrange(len(content) // 2)]]))


def _mutated_json(kind: str, random: Random, files: Sequence[bytes]) -> Request:
    body = _asking(_NO_PHOTO, params={"min_confidence": 0.5})
    return Request(kind, _mutated(body, random), Expected.EITHER)


def _broken_json(kind: str, random: Random, files: Sequence[bytes]) -> Request:
    whole = photos_body([random.choice(files)])
    cut = whole[: random.randrange(len(whole) - 1)]
    return Request(kind, random.choice([cut, whole[1:], whole + b"}", random.choice(files), b"", b"null", b"[]", b"7"]))


def _hang_up(kind: str, random: Random, files: Sequence[bytes]) -> Request:
    return Request(kind, photos_body([random.choice(files)]), Expected.NOTHING, share=random.random())


def _too_many_pixels(kind: str, random: Random, files: Sequence[bytes]) -> Request:
    """The head of a PNG, whole, and pixels that are not there."""

    def chunk(name: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

    side = random.choice([8_000, 20_000, 2**31 - 1])
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0))
    return Request(kind, photos_body([b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", b"") + chunk(b"IEND", b"")]))


def _no_content_type(kind: str, random: Random, files: Sequence[bytes]) -> Request:
    return Request(kind, photos_body([random.choice(files)]), content_type=None)


def _wrong_content_type(kind: str, random: Random, files: Sequence[bytes]) -> Request:
    name = random.choice(["text/plain", "image/jpeg", "", f"{JSON}; charset=latin-1", f"{JSON}; q=1", "\xff/\xfe"])
    return Request(kind, photos_body([random.choice(files)]), content_type=name)


def _no_table(kind: str, random: Random, files: Sequence[bytes]) -> Request:
    form, body = random.choice(
        [
            ("text/csv", b""),
            ("text/csv", b'image\n"cut'),
            ("text/csv", b"photo\nabcd\n"),
            ("text/csv", random.choice(files)),
            ("application/vnd.apache.parquet", b"PAR1 no table PAR1"),
        ]
    )
    return Request(kind, body, content_type=form)


def _too_large(kind: str, random: Random, files: Sequence[bytes]) -> Request:
    return Request(kind, _large())


@cache
def _large() -> bytes:
    return _asking("A" * TOO_LARGE)


def _one_of(*bodies: bytes) -> Callable[[str, Random, Sequence[bytes]], Request]:
    return lambda kind, random, files: Request(kind, random.choice(bodies))


def _with_params(*params: object) -> Callable[[str, Random, Sequence[bytes]], Request]:
    def make(kind: str, random: Random, files: Sequence[bytes]) -> Request:
        photo = base64.b64encode(files[0]).decode()
        return Request(kind, _asking(photo, params=random.choice(params)))

    return make


def _asking(*values: object, **more: Any) -> bytes:
    return _dump(dataframe_split={"columns": ["image"], "data": [[value] for value in values]}, **more)


def _dump(**fields: object) -> bytes:
    return json.dumps(fields).encode()


_ADDRESSES = ("/etc/passwd", "../params.yaml", "file:///etc/passwd", "http://127.0.0.1:9/face.jpg", "s3://faces/1.jpg")
# The weight of each kind, and what makes one.
_KINDS: dict[str, tuple[float, Callable[[str, Random, Sequence[bytes]], Request]]] = {
    "mutated photo, 200 where it still decodes": (35, _mutated_photo),
    "photo cut short": (5, _cut_photo),
    "mutated JSON": (8, _mutated_json),
    "broken JSON": (8, _broken_json),
    "client hangs up": (8, _hang_up),
    "more pixels than the limit": (2, _too_many_pixels),
    "more bytes than the limit": (1, _too_large),
    "no Content-Type": (3, _no_content_type),
    "wrong Content-Type": (3, _wrong_content_type),
    "broken CSV or Parquet": (3, _no_table),
    "path or address": (5, _one_of(*(_asking(value) for value in _ADDRESSES))),
    "no base64": (4, _one_of(*(_asking(value) for value in ("%%%", "abc", "Zm9v=Zm9v", "\ud800", "\0", "é")))),
    "no image": (4, _one_of(_asking(""), _asking(_NO_PHOTO), _asking("data:image/png;base64,"), _asking(" "))),
    "wrong types": (
        6,
        _one_of(*(_asking(value) for value in (None, 7, True, ["a"], {"a": 1})), _dump(inputs=5), _dump(instances=[1])),
    ),
    "wrong columns": (
        4,
        _one_of(
            _dump(dataframe_split={"columns": ["photo"], "data": [["a"]]}),
            _dump(dataframe_split={"columns": ["image", "image"], "data": [["a", "b"]]}),
            _dump(dataframe_split={"columns": ["image"], "data": [[]]}),
            _dump(dataframe_records=[{"photo": "a"}]),
            _dump(inputs={"image": ["a", ["b"]]}),
            _dump(inputs=["a"], instances=["a"]),
            _dump(photo="a"),
        ),
    ),
    "wrong params": (
        4,
        _with_params(
            *({"min_confidence": value} for value in (1.5, -1, "much", [0.5], None, 10**400, float("nan"))),
            *({"top_k": value} for value in (-1, 1.5, "x", None)),
            *({"crop": value} for value in ("every", 5, None)),
            *("x", [1], 5),
        ),
    ),
    # json.loads raises RecursionError, and ValueError, where MLflow awaits a JSONDecodeError.
    "JSON too deep": (1, _one_of(b"[" * 100_000)),
    "integer too long": (1, _one_of(b'{"inputs": %s}' % (b"9" * 5_000))),
}
