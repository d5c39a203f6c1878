"""What the stage split reports, as values for JSON and as markdown."""

from dataclasses import asdict
from typing import Any

from facesent.data.markdown import bullets, table
from facesent.data.splits import SplitReport
from facesent.project import SPLITS


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
            kind.clusters,
            kind.images,
            kind.ungrouped.pairs,
            kind.ungrouped.held_out,
            kind.found.pairs,
            kind.found.held_out,
        )
        for kind in report.links
    ]
    headers = ("link", "clusters", "images", "pairs torn", "held out", "pairs torn here", "held out here")
    sections = [
        "# Splits",
        split_counts(report),
        f"{report.images} images in {report.groups} groups, the largest of {report.largest_group}; "
        f"{report.given} have a split in metadata.csv; {quarantined} quarantined images are left out.",
        *(f"**Warning:** {warning}" for warning in report.warnings),
        "## Leaks",
        "Linked images sit in one split. *Pairs torn* and *held out* say what a random split of the same seed, which "
        "knows of no groups, would have torn apart: pairs of linked images in two splits, and images of val and test "
        "with a linked one in train. *Here* says what this split tears: only what metadata.csv gives.",
        table(headers, links),
        bullets([", ".join(f"`{name}`" for name in names) for names in report.torn]),
    ]
    return "\n\n".join(section for section in sections if section) + "\n"
