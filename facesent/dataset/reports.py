"""What the stage split reports, as values for JSON and as markdown."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import pandas as pd

from facesent.core.markdown import bullets, code, escaped, table
from facesent.core.paths import SPLITS
from facesent.dataset.splits import SplitReport

if TYPE_CHECKING:
    from facesent.dataset.expectations import Checked

_PROPOSED = (
    "The groups of {} images were proposed from the faces (`facesent data people`), not given: some photos of a person "
    "are missed, and some different people are grouped as one."
)


def split_summary(report: SplitReport, quarantined: int) -> dict[str, Any]:
    """The report as values for JSON."""
    return {**asdict(report), "quarantined": quarantined}


def split_counts(report: SplitReport) -> str:
    """Images by class and split, and each split's share."""
    totals = {name: sum(counts[name] for counts in report.counts.values()) for name in SPLITS}
    rows = [(label, *(counts[name] for name in SPLITS)) for label, counts in report.counts.items()]
    shares = (f"{totals[name] / report.images:.1%}" for name in SPLITS)
    return table(("class", *SPLITS), [*rows, ("all", *totals.values()), ("share", *shares)])


def split_markdown(report: SplitReport, quarantined: int) -> str:
    """The report for people."""
    links = [
        (
            kind.name,
            kind.groups,
            kind.images,
            kind.ungrouped.pairs,
            kind.ungrouped.held_out,
            kind.found.pairs,
            kind.found.held_out,
        )
        for kind in report.links
    ]
    headers = ("link", "groups", "images", "pairs torn", "held out", "pairs torn here", "held out here")
    sections = [
        "# Splits",
        split_counts(report),
        f"{report.images} images in {report.groups} groups, the largest of {report.largest_group}; "
        f"{report.given} have a split in metadata.csv; {quarantined} quarantined images are left out.",
        *([_PROPOSED.format(report.proposed)] if report.proposed else []),
        *(f"**Warning:** {escaped(warning)}" for warning in report.warnings),
        "## Leaks",
        "Linked images are in one split. *Pairs torn* and *held out* show what a random split with the same seed and "
        "without groups would have torn apart: pairs of linked images in two splits, and images of val and test "
        "with a linked one in train. *Here* shows what this split tears: only what metadata.csv gives.",
        table(headers, links),
        bullets([", ".join(map(code, names)) for names in report.torn]),
        *(
            ["## In no split", bullets([f"{code(name)}: {escaped(why)}" for name, why in report.left_out.items()])]
            if report.left_out
            else []
        ),
    ]
    return "\n\n".join(section for section in sections if section) + "\n"


def validation_summary(
    manifest: pd.DataFrame, classes: Sequence[str], outcomes: Sequence["Checked"], notes: Sequence[str]
) -> dict[str, Any]:
    """What is in the manifest and how it met the expectations.

    Args:
        manifest: as ``facesent.dataset.manifest.scan`` gives it.
        classes: the class folders, with those that are empty.
        outcomes: one an expectation.
        notes: sentences on what else was seen in the folder.
    """
    usable = manifest[manifest["ok"]]
    quarantined = manifest[~manifest["ok"]]
    repeats = usable[usable["sha256"].duplicated(keep=False)].groupby("sha256")["file_name"].apply(list)
    return {
        "passed": not critical_failures(outcomes),
        "images": len(manifest),
        "usable": len(usable),
        "quarantined": dict(zip(quarantined["file_name"], quarantined["reason"], strict=True)),
        "classes": {
            name: {"usable": int((usable["label"] == name).sum()), "files": int((manifest["label"] == name).sum())}
            for name in classes
        },
        "sizes": {column: _spread(usable[column]) for column in ("width", "height", "bytes")},
        "formats": _tally(usable["format"]),
        "modes": _tally(usable["mode"]),
        "same_content": sorted(repeats),
        "notes": list(notes),
        "expectations": [asdict(outcome) for outcome in outcomes],
    }


def critical_failures(outcomes: Iterable["Checked"]) -> list["Checked"]:
    """The outcomes that stop the pipeline."""
    return [outcome for outcome in outcomes if outcome.severity == "critical" and not outcome.success]


def class_counts(summary: dict[str, Any]) -> str:
    """Usable images and files by class."""
    rows = [(name, counts["usable"], counts["files"]) for name, counts in summary["classes"].items()]
    return table(("class", "usable", "files"), [*rows, ("all", summary["usable"], summary["images"])])


def validation_markdown(summary: dict[str, Any]) -> str:
    """The summary for people."""
    state = "meet" if summary["passed"] else "DO NOT meet"
    width, height = summary["sizes"]["width"], summary["sizes"]["height"]
    sections = [
        f"# Images\n\nThe images {state} all critical expectations.",
        class_counts(summary),
        f"Width {_range(width)}, height {_range(height)} pixels. Formats: {_list_tally(summary['formats'])}. "
        f"Modes: {_list_tally(summary['modes'])}.",
        *map(escaped, summary["notes"]),
        "## Expectations",
        _expectations(summary["expectations"]),
        f"## Quarantined: {len(summary['quarantined'])}",
        bullets([f"{code(name)}: {escaped(reason)}" for name, reason in summary["quarantined"].items()]),
        f"## Same content: {len(summary['same_content'])}",
        bullets([", ".join(map(code, names)) for names in summary["same_content"]]),
    ]
    return "\n\n".join(section for section in sections if section) + "\n"


def _expectations(outcomes: Sequence[dict[str, Any]]) -> str:
    rows = []
    for outcome in outcomes:
        result = "ok" if outcome["success"] else outcome["severity"].upper()
        examples = "; ".join(outcome["examples"][:3])
        rows.append((result, outcome["description"], outcome["observed"], outcome["threshold"], examples))
    return table(("result", "expectation", "observed", "bound in params.yaml", "examples"), rows)


def _spread(values: pd.Series) -> dict[str, float]:
    known = values.dropna()
    return {} if known.empty else {name: float(getattr(known, name)()) for name in ("min", "median", "max")}


def _range(spread: dict[str, float]) -> str:
    return f"{spread['min']:g} to {spread['max']:g} (median {spread['median']:g})" if spread else "unknown"


def _tally(values: pd.Series) -> dict[str, int]:
    return {str(name): int(count) for name, count in values.value_counts().sort_index().items()}


def _list_tally(tally: dict[str, int]) -> str:
    return ", ".join(f"{name} {count}" for name, count in tally.items()) or "none"
