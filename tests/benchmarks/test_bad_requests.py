import base64
import io
import json

import numpy as np
import pytest
from PIL import Image

from benchmarks.bad_requests import TOO_LARGE, Expected, Request, bad_requests
from facesent.images.reading import ImageError, read_image

pytest.importorskip("pyradamsa")

COUNT = 120


def photo(seed: int) -> bytes:
    buffer = io.BytesIO()
    pixels = np.random.default_rng(seed).integers(0, 255, (80, 96, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(buffer, "JPEG")
    return buffer.getvalue()


PHOTOS = [photo(seed) for seed in range(5)]


@pytest.fixture(scope="module")
def requests() -> list[Request]:
    return bad_requests(PHOTOS, COUNT, seed=5)


def of_kind(requests: list[Request], kind: str) -> list[Request]:
    found = [request for request in requests if request.kind.startswith(kind)]
    assert found, kind
    return found


def test_the_same_seed_makes_the_same_requests(requests: list[Request]) -> None:
    assert bad_requests(PHOTOS, COUNT, seed=5) == requests
    assert bad_requests(PHOTOS, COUNT, seed=6) != requests


def test_no_kind_is_left_out_and_none_comes_in_one_piece(requests: list[Request]) -> None:
    assert len(requests) == COUNT
    assert len({request.kind for request in requests}) == 18
    mutated = [index for index, request in enumerate(requests) if request.kind.startswith("mutated photo")]
    assert max(mutated) - min(mutated) > COUNT // 2


@pytest.mark.parametrize(
    "kind", ["photo cut short", "more pixels", "no image", "path or address", "no base64", "mutated photo"]
)
def test_what_is_called_no_photo_cannot_be_read_and_the_rest_can(requests: list[Request], kind: str) -> None:
    for request in of_kind(requests, kind):
        [[value]] = json.loads(request.body)["dataframe_split"]["data"]
        assert is_photo(value) == (request.expected is Expected.ANSWERED), value[:80]


def is_photo(value: str) -> bool:
    try:
        read_image(base64.b64decode("".join(value.split()).partition(",")[2] or value, validate=True), 32)
    except (ImageError, ValueError):
        return False
    return True


def test_the_fuzzer_makes_both_photos_and_what_is_none(requests: list[Request]) -> None:
    mutated = of_kind(requests, "mutated photo")
    assert {request.expected for request in mutated} == {Expected.ANSWERED, Expected.REFUSED}
    assert len({request.body for request in mutated}) > 0.9 * len(mutated)


def test_broken_json_is_broken_or_no_request(requests: list[Request]) -> None:
    for request in of_kind(requests, "broken JSON"):
        try:
            body = json.loads(request.body)
        except ValueError:
            continue
        assert not isinstance(body, dict)


def test_clients_that_hang_up_send_a_part(requests: list[Request]) -> None:
    hung_up = of_kind(requests, "client hangs up")
    assert all(request.share < 1 and request.expected is Expected.NOTHING for request in hung_up)
    assert all(request.share == 1 for request in requests if request.expected is not Expected.NOTHING)


def test_the_largest_are_over_the_limit_and_share_their_memory(requests: list[Request]) -> None:
    one, *others = of_kind(bad_requests(PHOTOS, 400, seed=5), "more bytes")
    assert len(one.body) > TOO_LARGE
    assert all(other.body is one.body for other in others)
