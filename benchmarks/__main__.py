"""The command ``python -m benchmarks``."""

import ast
import traceback
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import click

from benchmarks.apart import run_apart
from benchmarks.machine import describe
from benchmarks.results import Result, to_markdown
from benchmarks.sizes import FULL, SMALL

ALL = ("train", "fit", "input", "validate", "idle", "orchestration", "serving", "scale")
# These have a table of their own; accuracy takes images of yours, and half an hour on small ones.
NAMES = (*ALL, "score", "abuse", "faults", "watch", "crop", "accuracy")


def _listing() -> str:
    """The first line of each benchmark's docstring; nothing is imported for it."""
    lines = []
    for name in NAMES:
        file = Path(__file__).with_name(f"{name}.py")
        text = ast.get_docstring(ast.parse(file.read_text(encoding="utf-8"))) if file.is_file() else None
        lines.append(f"  {name:14} {(text or '').partition(chr(10))[0]}")
    return "\n".join(lines)


@click.command(
    epilog="\b\nBenchmarks:\n" + _listing() + "\n\n\b\nExamples:\n"
    "  python -m benchmarks validate\n"
    "  python -m benchmarks all --output benchmarks.md\n"
    "  python -m benchmarks abuse --requests 1000\n"
    "  python -m benchmarks faults --only kill-17\n"
    "  python -m benchmarks watch --project ~/my-project\n"
    "  python -m benchmarks crop --project ~/my-project\n"
    "  python -m benchmarks accuracy --data ~/my-faces",
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 120},
)
@click.argument("name", type=click.Choice([*NAMES, "all"]))
@click.option(
    "--scratch", type=click.Path(file_okay=False, path_type=Path), default=Path(".benchmarks"), show_default=True,
    help="Where pictures to measure with are made once and kept, 0.5 GB; remove it when done.",
)  # fmt: skip
@click.option("--rounds", type=click.IntRange(min=1), help=f"Timed calls of each figure.  [default: {FULL.rounds}]")
@click.option(
    "--output", type=click.Path(dir_okay=False, path_type=Path), help="Write the table to a file too, as markdown."
)
@click.option(
    "--data", type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Class folders of images to train on; accuracy needs it.",
)  # fmt: skip
@click.option(
    "--project", type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Project after `dvc repro` whose network watch and crop ask.  [default: one trained on drawn faces]",
)  # fmt: skip
@click.option(
    "--others", type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Class folders of another population, which watch has to notice.",
)  # fmt: skip
@click.option(
    "--requests", type=click.IntRange(min=100),
    help=f"How many requests abuse sends, good and bad.  [default: {FULL.requests}]",
)  # fmt: skip
@click.option("--seed", type=int, default=7, show_default=True, help="Of the moments at which faults come.")
@click.option("--only", multiple=True, help="A case of faults, such as kill-17; repeatable.  [default: all]")
@click.option("--small", is_flag=True, help="Only see that it runs, on next to nothing: the figures mean nothing.")
def main(
    name: str,
    scratch: Path,
    rounds: int | None,
    output: Path | None,
    data: Path | None,
    project: Path | None,
    others: Path | None,
    requests: int | None,
    seed: int,
    only: tuple[str, ...],
    small: bool,
) -> None:
    """Measure NAME, or all, and print each figure beside its goal and what people would use instead.

    A ratio is ours / theirs, of medians; the brackets hold the quartiles of the rounds. A peer that is not installed,
    fails or dies has a row that says so: pip install -e '.[benchmarks]' gets them. Nothing else should run on the
    machine meanwhile. The status is 1 if a benchmark failed, whatever became of peers.
    """
    if name == "accuracy" and data is None and not small:
        raise click.UsageError("Expected --data DIR, a folder of class folders, to train on. Received: none.")
    size = SMALL if small else FULL
    size = replace(size, rounds=rounds or size.rounds, requests=requests or size.requests)
    further: dict[str, dict[str, Any]] = {
        "accuracy": {"data": data},
        "crop": {"project": project and project.resolve()},
        "faults": {"seed": seed, "only": only},
        "watch": {"project": project and project.resolve(), "others": others and others.resolve()},
    }
    scratch.mkdir(parents=True, exist_ok=True)
    names = ALL if name == "all" else (name,)
    results: list[Result] = []
    failed = []
    for each in names:
        try:
            found = run_apart(each, scratch.resolve(), size, **further.get(each, {}))
        except Exception:
            # One that fails must not cost the figures of the others.
            traceback.print_exc()
            failed.append(each)
            continue
        # At once: a later benchmark that is interrupted must not cost these figures.
        click.echo(to_markdown(found), err=True)
        results += found
    note = "Of next to nothing, to see that it runs: these figures mean nothing. " if small else ""
    text = f"{note}Measured on {date.today().isoformat()}: {describe()}.\n\n{to_markdown(results)}\n"
    click.echo(text, nl=False)
    if output:
        output.write_text(text, encoding="utf-8")
    if failed:
        raise click.ClickException(f"Expected figures of {', '.join(names)}. Received none of: {', '.join(failed)}.")


if __name__ == "__main__":
    main()
