"""Divide the usable images into train, val and test: stratified by class, and never through a group."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from facesent.core.errors import DataError
from facesent.core.paths import SPLITS
from facesent.core.text import some
from facesent.dataset.assignment import COLUMNS as REMEMBERED
from facesent.dataset.assignment import identities, of_strangers, origins, remembered, with_sources
from facesent.dataset.folds import Names, draw
from facesent.dataset.given import topped_up
from facesent.dataset.metadata import PROPOSED
from facesent.dataset.similarity import Labels, LinkKind, describe_link, groups_of, join, looks, near_duplicates
from facesent.dataset.torn import NAME, settle

COLUMNS = ("file_name", "label", "group", "sha256", "split")
GIANT_SHARE = 0.2
_ALIKE, _PERSON = "near duplicates", "same person"
_ATTEMPTS = 20
_FAR_FROM_SHARE = 0.05
# Of fewer images of a class nobody expects a figure.
_FEW = 6
_WAYS_ON = (
    "`facesent data resplit` draws new splits of all images, on which no earlier model can be compared; "
    "split.torn: keep in params.yaml lets images stay where metadata.csv puts them."
)

Torn = Literal["leave_out", "keep"]


class SplitError(DataError):
    """The images cannot be divided: too few, or too few groups of a class."""


@dataclass(frozen=True)
class SplitReport:
    """What ``split`` did and found."""

    images: int
    given: int
    """Images whose split ``metadata.csv`` gives."""
    proposed: int
    """Images whose group nobody gave: `facesent data people` proposed it."""
    left_out: Mapping[str, str]
    """Why images are in no split, by file name."""
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
    manifest: pd.DataFrame,
    memory: pd.DataFrame,
    *,
    val: float,
    test: float,
    seed: int,
    near_duplicate_distance: int,
    torn: Torn,
) -> tuple[pd.DataFrame, pd.DataFrame, SplitReport]:
    """Divide the images of ``manifest`` that are ``ok``.

    Images with equal content or cut from one photo, with perceptual hashes (their own, or those of the photos that they
    were cut from) at most ``near_duplicate_distance`` bits apart, or of one ``group`` are joined, over any number of
    links, and sit in one split. What was placed before stays where it was, cut to the face or not, and what belongs to
    it follows, also where it is gone by now; a given ``split`` is obeyed. An image that would tie two splits together
    is left out. The others are drawn so that each class comes close to the shares ``val`` and ``test``. The result
    depends on neither the order of the rows nor the machine.

    If no image is remembered, nor looks nearly like a remembered one, the memory is of another collection: that people
    are called alike there says nothing, and its rows are without people from now on.

    Args:
        manifest: as ``scan`` gives it.
        memory: the splits so far, as ``read_assignment`` gives them.
        val: share of the images.
        test: share of the images.
        seed: of what is drawn.
        near_duplicate_distance: in bits of 64.
        torn: what becomes of an image of train that is linked with one of val or test where ``metadata.csv`` gives
            both their splits.

    Returns:
        The columns of ``COLUMNS`` sorted by file_name, ``group`` being the group's id (the start of its smallest
        sha256), further those of ``assignment.csv``; the memory from now on; and the report.

    Raises:
        SplitError: a split would be empty, or a class has too few groups to be in each.
    """
    images = manifest[manifest["ok"]].sort_values("file_name", ignore_index=True)
    if images.empty:
        raise SplitError(f"Expected usable images. Received: all {len(manifest)} are quarantined.")
    everything = _Linked.of(images, memory, near_duplicate_distance)
    first = not everything.remembers(memory)
    if first and len(memory):
        memory = of_strangers(memory)
        everything = _Linked.of(images, memory, near_duplicate_distance)
    settled = settle(everything.nodes, everything.group, near_duplicate_distance, keep_given=torn == "keep")
    rows = np.setdiff1d(np.arange(len(images)), list(settled.left_out))
    linked = everything.of_images(rows)
    shares = {"test": test, "val": val}
    goals = {name: share * len(rows) for name, share in shares.items()}
    names = _place(linked, settled.places[rows], goals, seed, first=first)
    _check_not_empty(names, linked, len(settled.left_out))
    _check_trained(linked.images["label"], names)
    result = linked.images[["file_name", "label", "sha256"]].assign(group=linked.group_ids(), split=names)
    known = linked.nodes[[name for name in REMEMBERED if name != "split"]]
    result = pd.concat([result[list(COLUMNS)], known], axis=1)
    left_out = {str(images["file_name"][row]): why for row, why in settled.left_out.items()}
    return result, remembered(memory, result), _report(result, linked, left_out, shares, seed)


@dataclass(frozen=True)
class _Linked:
    """Images, and what belongs together of them and of what is remembered.

    Attributes:
        images: usable rows of the manifest.
        nodes: a row an image, then a row for each remembered one that is not among them, as ``settle`` takes them.
        links: equal numbers for nodes that are linked, ``(nodes,)``, by kind of link.
        group: equal numbers for nodes that any chain of links joins, ``(nodes,)``.
        distance: in bits, up to which pictures are near duplicates.
    """

    images: pd.DataFrame
    nodes: pd.DataFrame
    links: Mapping[str, Labels]
    group: Labels
    distance: int

    @classmethod
    def of(cls, images: pd.DataFrame, memory: pd.DataFrame, distance: int) -> "_Linked":
        """Images beside the memory."""
        return cls._among(images, _nodes(images, memory), distance)

    @classmethod
    def _among(cls, images: pd.DataFrame, nodes: pd.DataFrame, distance: int) -> "_Linked":
        links = _links(nodes, distance)
        return cls(images, nodes, links, join(len(nodes), list(links.values())), distance)

    def of_images(self, rows: NDArray[np.intp]) -> "_Linked":
        """These images alone."""
        if len(rows) == len(self.nodes):
            return self
        images, nodes = (table.iloc[rows].reset_index(drop=True) for table in (self.images, self.nodes))
        return self._among(images, nodes, self.distance)

    def remembers(self, memory: pd.DataFrame) -> bool:
        """Whether any image, or nearly the same picture, is remembered."""
        image, near = self.nodes["image"].to_numpy(dtype=bool), self.links[_ALIKE]
        same = self.nodes["content"].isin(memory["content"]) | origins(self.nodes).isin(origins(memory))
        return bool(same[image].any() or np.isin(near[image], near[~image]).any())

    @property
    def groups(self) -> int:
        """How many there are; a single image is one too."""
        return len(np.unique(self.group))

    @property
    def largest(self) -> int:
        """Images of the largest group."""
        return int(np.bincount(self.group).max())

    @property
    def has_giant(self) -> bool:
        """Whether one group is so large that it was hardly meant."""
        return self.largest > GIANT_SHARE * len(self.images)

    def group_ids(self) -> pd.Series:
        """A name that stays when other images come and go: the smallest content hash of the group, shortened."""
        return self.images.groupby(self.group)["sha256"].transform("min").str[:16]


def _nodes(images: pd.DataFrame, memory: pd.DataFrame) -> pd.DataFrame:
    """A row an image, then a row for each remembered one that is not among them, as ``settle`` takes them."""
    key = ["content", "person"]
    known = with_sources(identities(images), memory).assign(mirrored=images["phash_mirrored"], image=True)
    places = known.merge(memory[[*key, "split"]], how="left", on=key)["split"].fillna(_as_photos(known, memory))
    given = images["split"]
    known = known.assign(split=given.fillna(places).fillna(""), given=given.notna())
    gone = memory.merge(known[key].drop_duplicates(), how="left", on=key, indicator=True)
    gone = gone[gone["_merge"] == "left_only"].drop(columns="_merge").assign(image=False, given=False)
    return pd.concat([known, gone], ignore_index=True)


def _as_photos(known: pd.DataFrame, memory: pd.DataFrame) -> pd.Series:
    """Where the photo of each image was placed, whole or as another cut of it; missing where in none or in several."""
    key = ["origin", "person"]
    photos = memory.assign(origin=origins(memory))[[*key, "split"]].drop_duplicates().drop_duplicates(key, keep=False)
    return known.assign(origin=origins(known))[key].merge(photos, how="left", on=key)["split"]


def _links(nodes: pd.DataFrame, distance: int) -> dict[str, Labels]:
    """Equal numbers for nodes that are linked, by kind of link."""
    pictures = looks(nodes)
    near = near_duplicates(pictures["phash"], pictures["mirrored"], distance)
    return {
        "same content": join(len(nodes), [groups_of(nodes["content"]), groups_of(origins(nodes))]),
        _ALIKE: join(len(pictures), [near, pictures["row"].to_numpy()])[: len(nodes)],
        _PERSON: groups_of(nodes["person"].mask(nodes["person"] == "")),
    }


def _place(linked: _Linked, placed: Names, goals: Mapping[str, float], seed: int, *, first: bool) -> Names:
    """Draw a split for each image whose place is still ``""``.

    A first draw has each class in each split, or fails. After it nothing leaves train for a class whose test images are
    gone.
    """
    labels, group = linked.images["label"], linked.group
    if (placed != "").all():
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
    if not first:
        return names
    label, name = missing[0]
    groups = len(np.unique(group[labels == label]))
    advice = f"{_advice(linked)} Or add" if linked.has_giant else "Add"
    raise SplitError(
        f"Expected images of each class in each split. Received: no {label} in {name}; the class has "
        f"{(labels == label).sum()} images in {_counted(groups)} (an image, its duplicates and all photos of its "
        f"person count as one). {advice} images of the class, remove its folder, or change split.val and split.test "
        "in params.yaml."
    )


def _missing(labels: pd.Series, names: Names) -> list[tuple[str, str]]:
    """The (class, split) pairs without an image."""
    table = pd.crosstab(labels, names).reindex(columns=SPLITS, fill_value=0)
    return [(str(label), name) for label in table.index for name in SPLITS if not table.loc[label, name]]


def _check_not_empty(names: Names, linked: _Linked, left_out: int) -> None:
    for name in SPLITS:
        if name in names:
            continue
        if linked.nodes["given"].all():
            # Neither a distance nor new splits change what is given.
            others = f", and {left_out} that belong to images of another split are left out" if left_out else ""
            keep = " To let those stay that are left out, set split.torn: keep in params.yaml." if left_out else ""
            raise SplitError(
                f"Expected images in train, val and test. Received: none in {name}; metadata.csv gives all "
                f"{len(names)} images another split{others}. Add images with the split {name}, or leave the split of "
                f"some images empty there: from these, images are drawn for {name}.{keep}"
            )
        raise SplitError(
            f"Expected images in train, val and test. Received: none in {name}; the {len(names)} images make "
            f"{_counted(linked.groups)} (an image, its duplicates and all photos of its person count as one), and "
            f"metadata.csv or assignment.csv places most of them. Give some images the split {name} in "
            "metadata.csv, lower split.near_duplicate_distance if similar pictures join too many, or draw new "
            "splits: facesent data resplit"
        )


def _counted(groups: int) -> str:
    return f"{groups} group{'s' if groups > 1 else ''}"


def _check_trained(labels: pd.Series, names: Names) -> None:
    if missing := [label for label, name in _missing(labels, names) if name == "train"]:
        raise SplitError(
            f"Expected images of each class in train. Received: {some(missing)} only in val or test. Give some of "
            "its images the split train in metadata.csv, add images of the class, or remove its folder."
        )


def _report(
    result: pd.DataFrame,
    linked: _Linked,
    left_out: Mapping[str, str],
    shares: Mapping[str, float],
    seed: int,
) -> SplitReport:
    names, nodes = result["split"].to_numpy(dtype=NAME), linked.nodes
    given = np.where(nodes["given"], nodes["split"], "").astype(NAME)
    ungrouped = _ungrouped(given, {name: share * len(result) for name, share in shares.items()}, seed)
    proposed = int(linked.images["group"].fillna("").str.startswith(PROPOSED).sum())
    shown = {
        f"{name}, proposed" if proposed and name == _PERSON else name: labels for name, labels in linked.links.items()
    }
    torn = _torn(result, linked.group)
    return SplitReport(
        images=len(result),
        given=int((given != "").sum()),
        proposed=proposed,
        left_out=left_out,
        counts=_counts(result),
        groups=linked.groups,
        largest_group=linked.largest,
        links=tuple(describe_link(name, labels, names, ungrouped) for name, labels in shown.items()),
        torn=torn,
        warnings=(
            *_warnings(result, linked, shares, left_out, torn),
            *topped_up(result, given != ""),
        ),
    )


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
    result: pd.DataFrame,
    linked: _Linked,
    shares: Mapping[str, float],
    left_out: Mapping[str, str],
    torn: Sequence[Sequence[str]],
) -> Iterator[str]:
    if left_out:
        name, why = next(iter(left_out.items()))
        yield f"{len(left_out)} images are in no split, such as {name}: {why}. {_WAYS_ON}"
    if torn:
        yield (
            f"The split column of metadata.csv tears {len(torn)} groups of linked images apart, such as that of "
            f"{' and '.join(torn[0][:2])}. The splits are used as given, so the test score may be too optimistic."
        )
    if linked.has_giant:
        share = linked.largest / len(result)
        yield f"One group joins {linked.largest} of {len(result)} images ({share:.0%}). {_advice(linked)}"
    for name, share in shares.items():
        received = float((result["split"] == name).mean())
        if abs(received - share) > _FAR_FROM_SHARE:
            yield f"Expected {share:.0%} of the images in {name}. Received: {received:.0%}."
    for label, name in _missing(result["label"], result["split"].to_numpy(dtype=np.str_)):
        yield f"There is no image of {label} in {name}: its recall is not known."
    for label, name, images, most in _of_one_person(result, linked.group):
        yield (
            f"{most} of the {images} images of {label} in {name} are of one person or linked: what is measured of "
            f"{label} there is of that one alone. To have more people there, give these images the split train in "
            "metadata.csv and run: facesent data resplit"
        )


def _of_one_person(result: pd.DataFrame, group: Labels) -> Iterator[tuple[str, str, int, int]]:
    """Class, split, images and those of its largest group, where these are more than half of not so few."""
    tested = result[result["split"] != "train"]
    for (name, label), groups in pd.Series(group[tested.index]).groupby([tested["split"].array, tested["label"].array]):
        images, most = len(groups), int(groups.value_counts().iloc[0])
        if images >= _FEW and most > images / 2:
            yield str(label), str(name), images, most


def _advice(linked: _Linked) -> str:
    count = len(linked.nodes)
    without = join(count, [labels for name, labels in linked.links.items() if name != _ALIKE])
    if np.bincount(without).max() > GIANT_SHARE * count:
        return "Equal content or the group column of metadata.csv joins them: check that each group is one person."
    return f"Similar pictures join them: lower split.near_duplicate_distance in params.yaml (it is {linked.distance})."
