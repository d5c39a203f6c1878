"""What a file is by its first bytes, for those that are no image, or none that is taken."""

from pathlib import Path

# Bytes that tell.
_HEAD = 512

_STARTS = (
    (b"\xff\xd8\xff", "JPEG"),
    (b"\x89PNG\r\n\x1a\n", "PNG"),
    (b"GIF8", "GIF"),
    (b"BM", "BMP"),
    (b"II*\0", "TIFF"),
    (b"MM\0*", "TIFF"),
    (b"\xff\x0a", "JPEG XL"),
    (b"\0\0\0\x0cJXL ", "JPEG XL"),
    (b"\0\0\0\x0cjP  ", "JPEG 2000"),
    (b"8BPS", "a Photoshop file"),
    (b"%PDF", "a PDF"),
    (b"%!PS", "PostScript"),
    (b"PK\x03\x04", "a zip archive"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"version https://git-lfs", "a Git LFS pointer, which `git lfs pull` replaces by the image"),
)
_BRANDS = {
    "heic": "HEIC",
    "heix": "HEIC",
    "hevc": "HEIC",
    "mif1": "HEIC",
    "msf1": "HEIC",
    "avif": "AVIF",
    "avis": "AVIF",
}
_MARKUP = (("<svg", "SVG"), ("<html", "an HTML page"), ("<!doctype html", "an HTML page"), ("<?xml", "XML"))
_PICTURES = {"JPEG", "PNG", "GIF", "BMP", "WEBP", "TIFF", "JPEG XL", "JPEG 2000", "HEIC", "AVIF", "SVG"}


def kind_of(content: bytes) -> str | None:
    """What ``content``, or its start, is; None if it is not known here."""
    head = content[:_HEAD]
    if head[4:8] == b"ftyp":
        return _BRANDS.get(head[8:12].decode("latin-1"), "a video")
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "WEBP"
    if found := next((kind for start, kind in _STARTS if head.startswith(start)), None):
        return found
    text = head.decode("latin-1").lstrip("\xef\xbb\xbf \t\r\n").lower()
    if found := next((kind for start, kind in _MARKUP if text.startswith(start)), None):
        return "SVG" if "<svg" in text else found
    return None


def is_picture(kind: str | None) -> bool:
    """Whether people see a picture in a file of that kind, be it taken or not."""
    return kind in _PICTURES


def kind_of_file(path: Path) -> str | None:
    """As `kind_of`, of a regular file."""
    with path.open("rb") as content:
        return kind_of(content.read(_HEAD))
