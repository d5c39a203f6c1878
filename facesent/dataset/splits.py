"""Divide the usable images into train, val and test: stratified by class, and never through a group."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from facesent.core.errors import DataError
from facesent.core.paths import SPLITS
from facesent.dataset.folds import Names, draw
from facesent.dataset.similarity import (
    Labels,
    LinkKind,
    counts_by_split,
    describe_link,
    groups_of,
    join,
    near_duplicates,
)

COLUMNS = ("file_name", "label", "group", "sha256", "split")
GIANT_SHARE = 0.2
_ATTEMPTS = 20
_FAR_FROM_SHARE = 0.05

# With a width of its own: an array of empty names would cut what is written into it.
_NAME = np.array(SPLITS).dtype


class SplitError(DataError):
    """The images cannot be divided: too few, or too few groups of a class."""


@dataclass(frozen=True)
class SplitReport:
    """What ``split`` did and found."""

    images: int
    given: int
    """Images whose split ``metadata.csv`` gives."""
    counts: Mapping[str, Mapping[str, int]]
    """Images by class and split."""
    groups: int
    """Joined groups; a single image is one too."""
    largest_group: int
    links: tuple[LinkKind, ...]
    torn: tuple[tuple[str, ...], ...]
    """The file names of each group that the given splits put into two splits."""
    warnings: tuple[str, ...]


def split(
    manifest: pd.DataFrame, *, val: float, test: float, seed: int, near_duplicate_distance: int
) -> tuple[pd.DataFrame, SplitReport]:
    """Divide the images of ``manifest`` that are ``ok``.

    Images with equal content, with perceptual hashes at most ``near_duplicate_distance`` bits apart, or of one
    ``group`` are joined, over any number of links, and sit in one split. A given ``split`` is obeyed, also where it
    tears a group; images of the group without one follow it. The others are drawn so that each class
    comes close to the shares ``val`` and ``test``. The result depends on neither the order of the rows nor the machine.

    Returns:
        The columns of ``COLUMNS`` sorted by file_name, ``group`` being the group's id (the start of its smallest
        sha256), and the report.

    Raises:
        SplitError: a split would be empty, or a class has too few groups to be in each.
    """
    images = manifest[manifest["ok"]].sort_values("file_name", ignore_index=True)
    if images.empty:
        raise SplitError(f"Expected images that can be used. Received: all {len(manifest)} are quarantined.")
    links = {
        "same content": groups_of(images["sha256"]),
        "near duplicates": near_duplicates(images["phash"], near_duplicate_distance),
        "same person": groups_of(images["group"]),
    }
    group = join(len(images), list(links.values()))
    given = images["split"].fillna("").to_numpy(dtype=_NAME)
    goals = {"test": test * len(images), "val": val * len(images)}
    names = _place(images["label"], group, _follow(given, group), goals, seed)
    result = images[["file_name", "label", "sha256"]].assign(group=_group_ids(images, group), split=names)
    ungrouped = _ungrouped(given, goals, seed)
    report = SplitReport(
        images=len(images),
        given=int((given != "").sum()),
        counts=_counts(result),
        groups=len(np.unique(group)),
        largest_group=int(np.bincount(group).max()),
        links=tuple(describe_link(name, labels, names, ungrouped) for name, labels in links.items()),
        torn=_torn(result, group),
        warnings=tuple(_warnings(result, group, links, {"val": val, "test": test}, near_duplicate_distance)),
    )
    return result[list(COLUMNS)], report


def _follow(given: Names, group: Labels) -> Names:
    """Give images without a split that of their group: the one of most of its images."""
    known = given != ""
    counts = counts_by_split(group, np.where(known, given, "train"))
    counts[:, 0] -= np.bincount(group[~known], minlength=len(counts))
    follows = np.where(counts.any(axis=1), np.array(SPLITS)[counts.argmax(axis=1)], "")
    return np.where(known, given, follows[group])


def _place(labels: pd.Series, group: Labels, placed: Names, goals: Mapping[str, float], seed: int) -> Names:
    """Draw a split for each image whose place is still ``""``."""
    if (placed != "").all():
        _check_not_empty(placed)
        return placed
    for attempt in range(_ATTEMPTS):
        names = placed.copy()
        for name, goal in goals.items():
            free = np.flatnonzero(names == "")
            share = (goal - (names == name).sum()) / max(len(free), 1)
            names[free[draw(labels.to_numpy(dtype=np.str_)[free], group[free], share, seed + attempt)]] = name
        names[names == ""] = "train"
        missing = _missing(labels, names)
        if not missing:
            return names
    label, name = missing[0]
    groups = len(np.unique(group[labels == label]))
    raise SplitError(
        f"Expected images of each class in each split. Received: no {label} in {name}; the class has "
        f"{(labels == label).sum()} images in {groups} groups (an image, its duplicates and its person are one). "
        "Add images of the class, remove its folder, or change split.val and split.test in params.yaml."
    )


def _missing(labels: pd.Series, names: Names) -> list[tuple[str, str]]:
    """The (class, split) pairs without an image."""
    table = pd.crosstab(labels, names).reindex(columns=SPLITS, fill_value=0)
    return [(str(label), name) for label in table.index for name in SPLITS if not table.loc[label, name]]


def _check_not_empty(names: Names) -> None:
    for name in SPLITS:
        if name not in names:
            raise SplitError(
                f"Expected images in train, val and test. Received: a split for each in metadata.csv, and none {name}. "
                f"Give some images the split {name}, or leave the split of some empty: those are drawn."
            )


def _group_ids(images: pd.DataFrame, group: Labels) -> pd.Series:
    """A name that stays when other images come and go: the smallest content hash of the group, shortened."""
    return images.groupby(group)["sha256"].transform("min").str[:16]


def _ungrouped(given: Names, goals: Mapping[str, float], seed: int) -> Names:
    """The split that chance gives to each image where nothing is known of groups; given splits are kept."""
    names = given.copy()
    free = np.random.default_rng(seed % 2**32).permutation(np.flatnonzero(given == ""))
    for name, goal in goals.items():
        wanted = max(0, round(goal) - int((given == name).sum()))
        names[free[:wanted]], free = name, free[wanted:]
    names[free] = "train"
    return names


def _counts(result: pd.DataFrame) -> dict[str, dict[str, int]]:
    table = pd.crosstab(result["label"], result["split"]).reindex(columns=SPLITS, fill_value=0)
    return {str(label): {name: int(row[name]) for name in SPLITS} for label, row in table.iterrows()}


def _torn(result: pd.DataFrame, group: Labels) -> tuple[tuple[str, ...], ...]:
    torn = result[result["split"].groupby(group).transform("nunique") > 1]
    return tuple(tuple(rows["file_name"]) for _, rows in torn.groupby(group[torn.index]))


def _warnings(
    result: pd.DataFrame, group: Labels, links: Mapping[str, Labels], shares: Mapping[str, float], distance: int
) -> Iterator[str]:
    count = len(result)
    torn = _torn(result, group)
    if torn:
        yield (
            f"The split column of metadata.csv tears {len(torn)} groups of linked images apart, such as that of "
            f"{' and '.join(torn[0][:2])}. It was obeyed, so that the test score may be too good."
        )
    largest = int(np.bincount(group).max())
    if largest > GIANT_SHARE * count:
        yield f"One group joins {largest} of {count} images ({largest / count:.0%}). {_advice(links, count, distance)}"
    for name, share in shares.items():
        received = float((result["split"] == name).mean())
        if abs(received - share) > _FAR_FROM_SHARE:
            yield f"Expected {share:.0%} of the images in {name}. Received: {received:.0%}."
    for label, name in _missing(result["label"], result["split"].to_numpy(dtype=np.str_)):
        yield f"There is no image of {label} in {name}, as metadata.csv gives it."


def _advice(links: Mapping[str, Labels], count: int, distance: int) -> str:
    without = join(count, [labels for name, labels in links.items() if name != "near duplicates"])
    if np.bincount(without).max() > GIANT_SHARE * count:
        return "Equal content or the group column of metadata.csv joins them: check that it names one person a group."
    return f"Similar pictures join them: lower split.near_duplicate_distance in params.yaml (it is {distance})."
