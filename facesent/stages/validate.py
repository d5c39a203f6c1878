"""Stage ``validate``: every image looked at once, the manifest, and whether the images may be trained on."""

import json
from collections.abc import Sequence
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING

from facesent.core.console import progress_of, run_stage_as_before, say
from facesent.core.errors import DataError
from facesent.core.paths import Project

if TYPE_CHECKING:
    import pandas as pd

    from facesent.dataset.expectations import Checked
    from facesent.dataset.settings import Validate


class ValidationError(DataError):
    """The images do not meet a critical expectation."""


def validate(project: Project, data: Path | None = None) -> None:
    """Scan ``data``, by default ``project.data``, and write the folder of ``project.manifest``.

    Raises:
        ValidationError: after everything is written.
    """
    from facesent.dataset.expectations import check, load
    from facesent.dataset.files import class_folders
    from facesent.dataset.glance import without_excluded
    from facesent.dataset.reports import class_counts, validation_markdown, validation_summary
    from facesent.dataset.settings import Validate
    from facesent.section import section

    params = section(project.params, "validate", Validate)
    data = data or project.data
    folder = project.manifest.parent
    folder.mkdir(parents=True, exist_ok=True)
    classes = without_excluded(class_folders(data), params.exclude)
    # Its import takes one core some seconds, in which the images keep the others busy.
    Thread(target=load, daemon=True).start()
    manifest = _scan(project, data, params)
    manifest.to_parquet(project.manifest, index=False)
    outcomes = check(manifest, classes, params, folder / "data_docs")
    summary = validation_summary(manifest, classes, outcomes, _notes(data))
    text = json.dumps(summary, indent=1, sort_keys=True, ensure_ascii=False) + "\n"
    (folder / "summary.json").write_text(text, encoding="utf-8")
    (folder / "summary.md").write_text(validation_markdown(summary), encoding="utf-8")
    say(class_counts(summary))
    for note in summary["notes"]:
        say(note)
    _judge(outcomes, folder)


def _scan(project: Project, data: Path, params: "Validate") -> "pd.DataFrame":
    from facesent.dataset.manifest import scan
    from facesent.dataset.scan_cache import ScanCache

    cache = ScanCache.read(project.scan_cache)
    with progress_of("checking images") as progress:
        manifest = scan(data, max_pixels=params.max_pixels, exclude=params.exclude, cache=cache, progress=progress)
    cache.write(project.scan_cache)
    say(f"{len(manifest)} images, {cache.unchanged} unchanged")
    if params.exclude:
        say(f"Left out, as validate.exclude says: {', '.join(params.exclude)}.")
    return manifest


def _notes(data: Path) -> list[str]:
    """What lies in the folder and is not used."""
    from facesent.core.text import printable, some
    from facesent.dataset.files import METADATA, hidden_images, image_files, other_files, stray_images
    from facesent.dataset.metadata import read_metadata
    from facesent.images.kinds import kind_of_file

    ignored = []
    if strays := stray_images(data):
        ignored.append(f"{len(strays)} images outside the class folders are ignored, such as {strays[0]}.")
    if others := other_files(data):
        kind = kind_of_file(data / others[0])
        what = "files in the class folders have no image suffix and are ignored"
        ignored.append(f"{len(others)} {what}, such as {printable(others[0])}{f', which is {kind}' if kind else ''}.")
    if hidden := hidden_images(data):
        what = "image in the class folders is" if len(hidden) == 1 else "images in the class folders are"
        ignored.append(f"{len(hidden)} {what} ignored, as the name begins with a dot: {some(hidden)}.")
    return [*ignored, *read_metadata(data / METADATA, [file.name for file in image_files(data)]).notes()]


def _judge(outcomes: Sequence["Checked"], folder: Path) -> None:
    from facesent.dataset.reports import critical_failures
    from facesent.dataset.suite import ONE_LABEL

    for outcome in outcomes:
        if outcome.severity == "warning" and not outcome.success:
            say(f"Warning: {_describe(outcome)}")
    failures = critical_failures(outcomes)
    if failures:
        ways = ["Repair or remove the images, or change the bound in params.yaml."]
        if any(not outcome.success and outcome.description == ONE_LABEL for outcome in outcomes):
            ways.append("To decide images that have two labels: facesent data conflicts.")
        raise ValidationError(
            "Expected images that meet all critical expectations. Received:\n"
            + "\n".join(f"  {_describe(outcome)}" for outcome in failures)
            + f"\n{' '.join(ways)} More in {folder / 'summary.md'}"
        )


def _describe(outcome: "Checked") -> str:
    bound = f" ({outcome.threshold})" if outcome.threshold else ""
    examples = "".join(f"\n    {example}" for example in outcome.examples)
    return f"{outcome.description} {outcome.expectation}: {outcome.observed}{bound}{examples}"


if __name__ == "__main__":
    run_stage_as_before("validate")
