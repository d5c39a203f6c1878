"""Zips as other programs write them."""


def as_deflate64(archive: bytes) -> bytes:
    """A zip of one member with the method by which Windows packs what is over 2 GB."""
    listed = archive.rindex(b"PK\x01\x02")
    # Of the member's own header, and of its line in the list at the end.
    return archive[:8] + b"\x09\0" + archive[10 : listed + 10] + b"\x09\0" + archive[listed + 12 :]
