import hashlib
from pathlib import Path

from facesent.forgetting.files import remove_copies
from facesent.forgetting.person import Content, Person


def test_the_photos_that_images_were_cut_from_go_wherever_they_lie(tmp_path: Path) -> None:
    crop, original, other = b"crop", b"the whole photo", b"somebody else's"
    for name, content in {"a.jpg": crop, "originals/1.jpg": original, "originals/2.jpg": other}.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(content)
    sources = frozenset([hashlib.sha256(original).hexdigest()])
    person = Person("0", "2026-01-01T00:00:00+00:00", contents=frozenset([Content.of(crop)]), sources=sources)
    assert {path.name for path in remove_copies(tmp_path, person)} == {"a.jpg", "1.jpg"}
    assert [path.name for path in tmp_path.rglob("*.jpg")] == ["2.jpg"]
