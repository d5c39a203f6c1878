"""What a task shows on its page in Prefect: the report that its stage wrote, a table, or a link."""

import base64
import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from textwrap import wrap
from typing import Any

import httpx
from prefect import get_run_logger
from prefect.artifacts import create_link_artifact, create_markdown_artifact

from facesent.core import markdown
from facesent.core.nested import flatten

# Characters of a line of code that fit on Prefect's page in a window of 1280 pixels.
_LINE = 84
_PICTURE = re.compile(r"!\[([^\]]*)\]\(([^)\s]+\.png)\)")


def publish(name: str, text: str) -> None:
    """Show markdown on the page of the running task or flow, with the others of that name on the artifacts page."""
    with _unless_away():
        create_markdown_artifact(text, key=_key(name))


def publish_link(name: str, address: str, text: str) -> None:
    """Show a link, where there is an address that a browser can open."""
    if address.startswith(("http://", "https://")):
        with _unless_away():
            create_link_artifact(address, link_text=text, key=_key(name))


@contextmanager
def _unless_away() -> Iterator[None]:
    """A page is not worth failing for: the server may restart, or its disk be full."""
    try:
        yield
    except httpx.HTTPError as error:
        get_run_logger().warning(f"A page could not be kept: {error}")


def stage_report(folder: Path) -> str:
    """What a stage wrote for people into ``folder``, as one markdown text; empty where it wrote nothing of the kind.

    These are its ``*.md``, else its ``metrics.json``, and its ``*.png``.
    """
    texts = [path.read_text(encoding="utf-8") for path in sorted(folder.glob("*.md"))]
    metrics = folder / "metrics.json"
    if not texts and metrics.is_file():
        texts = [table(json.loads(metrics.read_text(encoding="utf-8")))]
    shown = {Path(match[2]).name for text in texts for match in _PICTURE.finditer(text)}
    texts = [_PICTURE.sub(lambda match: _embed(match, folder), text) for text in texts]
    pictures = [picture(path) for path in sorted(folder.glob("*.png")) if path.name not in shown]
    return "\n\n".join(text.strip() for text in [*texts, *pictures])


def table(values: Mapping[str, Any]) -> str:
    """A markdown table of names and values; the names of nested ones are joined by dots."""
    return markdown.table(("name", "value"), flatten(values).items())


def verbatim(text: str) -> str:
    """What was printed; lines that are too long for the page, which does not wrap them, are broken."""
    lines = [wrap(line, _LINE, subsequent_indent="  ", break_long_words=False) or [""] for line in text.splitlines()]
    return markdown.block(part for parts in lines for part in parts)


def picture(path: Path, title: str = "") -> str:
    """The picture inside the text: Prefect's server shows no files of ours."""
    data = base64.b64encode(path.read_bytes()).decode("ascii")
    return f"![{title or path.stem.replace('_', ' ')}](data:image/png;base64,{data})"


def _embed(match: re.Match[str], folder: Path) -> str:
    path = folder / match[2]
    return picture(path, match[1]) if path.is_file() else match[0]


def _key(name: str) -> str:
    # Prefect takes lowercase letters, numbers and dashes.
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")
