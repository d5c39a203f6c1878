"""Where two trainings part: the first thing upstream of the weights that is not the same."""

from collections.abc import Iterator
from dataclasses import dataclass

from facesent.provenance.settings import differences as settings_that_differ
from facesent.registry.history import RunRecord

_SPLITS = ("train", "val")
_SECTIONS = ("validate.", "split.", "model.", "train.")
# In the order in which they come to bear.
_TAGS = {
    "weights_sha256": "pretrained weights",
    "backend": "Keras backend",
    "precision": "precision",
    "packages": "packages",
    "machine": "machine",
}


@dataclass(frozen=True)
class Difference:
    """One thing that was otherwise."""

    what: str
    was: str
    now: str


def differences(before: RunRecord, now: RunRecord) -> tuple[Difference, ...]:
    """What both runs recorded and what differs: images, splits, settings, libraries, machine, in this order."""
    pairs = _upstream(before, now)
    return tuple(Difference(what, was, then) for what, was, then in pairs if was and then and was != then)


def unrecorded(before: RunRecord, now: RunRecord) -> tuple[str, ...]:
    """What only the second run recorded, so that it cannot be compared."""
    return tuple(what for what, was, then in _upstream(before, now) if then and not was)


def _upstream(before: RunRecord, now: RunRecord) -> Iterator[tuple[str, str, str]]:
    yield "data", before.tags.get("data_md5", ""), now.tags.get("data_md5", "")
    for name in _SPLITS:
        yield f"split {name}", _split(before, name), _split(now, name)
    for change in settings_that_differ(before.params, now.params):
        if change.key.startswith(_SECTIONS):
            yield change.key, change.preset or "not set", change.run or "not set"
    for tag, what in _TAGS.items():
        yield what, before.tags.get(tag, ""), now.tags.get(tag, "")


def _split(run: RunRecord, name: str) -> str:
    split = run.splits.get(name)
    return f"sha256 {split.sha256}… ({split.images} images)" if split else ""
