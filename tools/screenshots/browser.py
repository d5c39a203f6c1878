"""Pages in headless Chromium: their pictures, what their console said, and what they asked of other machines."""

import io
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from PIL import Image

from facesent.core.pictures import encoded
from facesent.core.ports import HOST

if TYPE_CHECKING:
    from playwright.sync_api import Browser, ConsoleMessage, Page, Request

MOST_BYTES = 120_000
HEIGHT = 800
_COLOURS = (256, 128, 64, 32, 16)
_PATIENCE = 120_000  # milliseconds


@dataclass
class Seen:
    """What became of one page.

    Attributes:
        name: of the page.
        errors: lines of the console.
        outside: hosts of other machines that it asked for something.
    """

    name: str
    errors: list[str] = field(default_factory=list)
    outside: list[str] = field(default_factory=list)


@dataclass
class Camera:
    """Opens pages and keeps their pictures.

    Attributes:
        browser: a running one.
        folder: where pictures go.
        width: of the pages, in pixels.
        seen: a row a page, in order.
    """

    browser: "Browser"
    folder: Path
    width: int
    seen: list[Seen] = field(default_factory=list)

    @contextmanager
    def page(self, name: str, height: int = HEIGHT) -> Iterator["Page"]:
        """An empty page that nobody used before; its picture is taken when the block ends without an error."""
        seen = Seen(name)
        self.seen.append(seen)
        context = self.browser.new_context(
            viewport={"width": self.width, "height": height}, color_scheme="light", reduced_motion="reduce"
        )
        try:
            page = context.new_page()
            page.set_default_timeout(_PATIENCE)
            _watch(page, seen)
            yield page
            (self.folder / f"{name}.png").write_bytes(small_png(page.screenshot(animations="disabled")))
        finally:
            context.close()


@contextmanager
def camera(folder: Path, width: int) -> Iterator[Camera]:
    """A browser for as long as the block takes: the Chromium on ``PATH``, else playwright's own."""
    from playwright.sync_api import sync_playwright

    folder.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        # Without a sandbox it also runs as root in a container; it sees no pages but ours.
        options = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=options)
        try:
            yield Camera(browser, folder, width)
        finally:
            browser.close()


def small_png(picture: bytes) -> bytes:
    """The picture with as many colours as let it stay below ``MOST_BYTES``; if none do, with the fewest."""
    image = Image.open(io.BytesIO(picture)).convert("RGB")
    small = b""
    for colours in _COLOURS:
        small = encoded(image.quantize(colours, dither=Image.Dither.NONE), optimize=True)
        if len(small) <= MOST_BYTES:
            break
    return small


def _watch(page: "Page", seen: Seen) -> None:
    def on_console(message: "ConsoleMessage") -> None:
        if message.type == "error":
            place = message.location.get("url", "")
            seen.errors.append(f"{message.text} ({place})" if place else message.text)

    def on_request(request: "Request") -> None:
        address = urlsplit(request.url)
        if address.scheme in ("http", "https", "ws", "wss") and address.hostname != HOST:
            seen.outside.append(str(address.hostname))

    page.on("console", on_console)
    page.on("pageerror", lambda error: seen.errors.append(str(error)))
    page.on("request", on_request)
