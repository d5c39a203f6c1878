"""``python -m tools.screenshots``: makes the pictures of the docs anew, from a project of its own."""

import argparse
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from facesent.core.markdown import table
from tools.screenshots import pages
from tools.screenshots.browser import Camera, Seen, camera
from tools.screenshots.example import make_example
from tools.screenshots.servers import app_server, mlflow_server, prefect_server, quiet_environment

_PICTURES = Path(__file__).parents[2] / "docs" / "pictures"
_WIDTH = 1200


def main() -> None:
    """Make the project unless one is given, take the pictures, and say what the pages' consoles said."""
    parser = argparse.ArgumentParser(prog="python -m tools.screenshots", description=__doc__)
    parser.add_argument("--project", type=Path, help="one that is there already, with two trainings")
    parser.add_argument("--out", type=Path, default=_PICTURES, help="folder for the pictures (%(default)s)")
    parser.add_argument("--width", type=int, default=_WIDTH, help="of the pages, in pixels; a phone has 390")
    parser.add_argument("--only", action="append", choices=list(_SHOTS), help="may be repeated")
    options = parser.parse_args()
    # As an exception, so that the servers are stopped.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    with _project(options.project) as root, camera(options.out.resolve(), options.width) as taken:
        for name in options.only or _SHOTS:
            _SHOTS[name](taken, root)
        print(_summary(taken.seen))


@contextmanager
def _project(given: Path | None) -> Iterator[Path]:
    if given:
        yield given.resolve()
        return
    with TemporaryDirectory(prefix="facesent-") as folder:
        make_example(Path(folder))
        yield Path(folder)


def _mlflow(taken: Camera, root: Path) -> None:
    with mlflow_server(root) as server:
        pages.mlflow(taken, server)


def _prefect(taken: Camera, root: Path) -> None:
    with prefect_server(root) as server:
        pages.prefect(taken, server)


def _app(taken: Camera, root: Path) -> None:
    with app_server(root) as server:
        pages.app(taken, server, min((root / "data" / "Happy").iterdir()))


def _terminal(taken: Camera, root: Path) -> None:
    pages.terminal(taken, root, quiet_environment(root))


_SHOTS: dict[str, Callable[[Camera, Path], None]] = {
    "mlflow": _mlflow,
    "prefect": _prefect,
    "report": pages.report,
    "app": _app,
    "terminal": _terminal,
}


def _summary(seen: Sequence[Seen]) -> str:
    """A row a page, then the errors themselves."""
    rows = [(page.name, len(page.errors), len(page.outside), " ".join(sorted(set(page.outside)))) for page in seen]
    errors = [f"{page.name}: {error}" for page in seen for error in page.errors]
    counted = table(["page", "console errors", "requests to other machines", "which"], rows)
    return "\n\n".join([counted, *errors])


if __name__ == "__main__":
    main()
