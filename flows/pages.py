"""What the tasks show on their pages in Prefect beside the reports that the stages write, as markdown."""

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from facesent.core.markdown import table
from facesent.core.paths import Project
from facesent.params import load_params
from flows import artifacts

if TYPE_CHECKING:
    from facesent.promotion.aliases import Promotion
    from facesent.promotion.register import Candidate


def stage(name: str, project: Project, heading: str) -> str:
    """The report of a stage under a heading; empty where the stage wrote nothing for people."""
    folder = project.outputs / name
    report = _training(project) if folder == project.train else artifacts.stage_report(folder)
    return f"{heading}\n\n{report}" if report else ""


def registered(candidate: "Candidate") -> str:
    """Which version was registered, and where it comes from."""
    from facesent.registry.pages import run_page, version_page

    version, run = version_page(candidate.version), run_page(candidate.run_id)
    known = "a new version" if candidate.created else "known already: the same weights were registered before"
    rows = {
        "MLflow run": link(candidate.run_id, run),
        "model, SHA-256": f"`{candidate.model_sha256}`",
        **({} if run else {"to see them": "`mlflow ui`"}),
    }
    return f"{link(f'Version {candidate.version}', version)} of facesent, {known}.\n\n{artifacts.table(rows)}"


def promoted(candidate: int, promotion: "Promotion") -> str:
    """What is served now, and how to go back."""
    champion, previous = promotion.champion, promotion.previous
    if promotion.changed:
        sentence = f"**Version {candidate} became champion.**"
    else:
        sentence = f"**Not promoted.** {promotion.note}" if champion != candidate else f"**{promotion.note}**"
    rows = {
        "served (champion)": "none" if champion is None else f"version {champion}",
        "before it (previous)": "none" if previous is None else f"version {previous}",
        **({"approved by": promotion.approved_by} if promotion.approved_by else {}),
        **({"to go back": "`facesent rollback`"} if previous is not None and promotion.changed else {}),
    }
    restart = (
        "\n\n`facesent serve` takes it over by itself; `mlflow models serve` has to be restarted."
        if promotion.changed
        else ""
    )
    return f"{sentence}\n\n{artifacts.table(rows)}{restart}"


def reported(project: Project, candidate: "Candidate") -> str:
    """Where the page lies that tells how good the model is, and the other places of the run."""
    return listed(of_run(project, candidate))


def link(text: str, address: str) -> str:
    """A markdown link, or the text alone where there is no address."""
    return f"[{text}]({address})" if address else text


def _training(project: Project) -> str:
    """What was trained and how far it came; the curves are on the page of ``evaluate``, which draws them."""
    path = project.train / "metrics.json"
    if not path.is_file():
        return ""
    metrics: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    model = load_params(project.params).model
    start = "from scratch" if model.weights == "none" else f"from the weights {model.weights}"
    what = f"**{model.name}** at {model.image_size} × {model.image_size} pixels, {start}: "
    what += f"{metrics['parameters']:,} parameters. {metrics['epochs']} epochs; epoch {metrics['best_epoch']} was kept."
    measures = [(name, metrics[name], metrics[f"val_{name}"]) for name in ("accuracy", "loss")]
    further = {name: metrics[name] for name in ("temperature", "learning_rate") if name in metrics}
    return "\n\n".join(
        [
            what,
            table(("epoch kept", "train, while learning", "validation"), measures),
            ", ".join(f"{name.replace('_', ' ')} {value:.4g}" for name, value in further.items()),
        ]
    )


# The gate's page has the verdict too; the folders of MLflow's artifacts beside those of the project.
_REPORTS = {"gate": "gate", "evaluate": "evaluation"}


def of_run(project: Project, candidate: "Candidate") -> dict[str, str]:
    """Names, and addresses, paths or ids."""
    from facesent.registry.pages import run_page, version_page

    run, version = run_page(candidate.run_id), version_page(candidate.version)
    found = {"MLflow run": run or candidate.run_id}
    if version:
        found["model version"] = version
    for folder, artifact_folder in _REPORTS.items():
        path = project.outputs / folder / "report.html"
        if path.is_file():
            found["report"] = path.as_posix()
            if run:
                found["report in MLflow"] = run_page(candidate.run_id, f"{artifact_folder}/report.html")
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
