"""Where a run left what people look at: pages of MLflow's server where there is one, else files and commands."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from facesent.project import Project

if TYPE_CHECKING:
    from facesent.promotion import Candidate

# The gate's page has the verdict too; the folders of MLflow's artifacts beside those of the project.
_REPORTS = {"gate": "gate", "evaluate": "evaluation"}


def of_run(project: Project, candidate: "Candidate") -> dict[str, str]:
    """Names, and addresses, paths or ids."""
    from facesent.registry.pages import run_page, version_page

    run, version = run_page(candidate.run_id), version_page(candidate.version)
    found = {"MLflow run": run or candidate.run_id}
    if version:
        found["model version"] = version
    for folder, artifacts in _REPORTS.items():
        path = project.outputs / folder / "report.html"
        if path.is_file():
            found["report"] = path.as_posix()
            if run:
                found["report in MLflow"] = run_page(candidate.run_id, f"{artifacts}/report.html")
            break
    return found


def listed(found: Mapping[str, str]) -> str:
    """Names and places as a markdown list."""
    return "\n".join(f"- {shown(place, name)}" for name, place in found.items())


def shown(place: str, name: str = "") -> str:
    """A place as markdown: behind its name a link, where a browser can open it."""
    if place.startswith(("http://", "https://")):
        return f"[{name or place}]({place})"
    return f"{name}: `{place}`" if name else f"`{place}`"
