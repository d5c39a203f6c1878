"""What the tasks show on their pages in Prefect beside the reports that the stages write, as markdown."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from facesent.core.markdown import Markdown, code, escaped, table
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
    from facesent.registry.pages import opened_by, run_page, version_page

    version, run = version_page(candidate.version), run_page(candidate.run_id)
    known = "a new version" if candidate.created else "already registered: the same weights"
    rows = {
        "MLflow run": link(candidate.run_id, run),
        "model, SHA-256": code(candidate.model_sha256),
        **({"to see them": code(opened_by())} if opened_by() else {}),
    }
    return f"{link(f'Version {candidate.version}', version)} of facesent, {known}.\n\n{artifacts.table(rows)}"


def promoted(candidate: int, promotion: "Promotion") -> str:
    """What is served now, and how to go back."""
    champion, previous = promotion.champion, promotion.previous
    if promotion.changed:
        sentence = f"**Version {candidate} became champion.**"
    else:
        sentence = (
            f"**Not promoted.** {escaped(promotion.note)}"
            if champion != candidate
            else f"**{escaped(promotion.note)}**"
        )
    rows = {
        "served (champion)": "none" if champion is None else f"version {champion}",
        "previous version": "none" if previous is None else f"version {previous}",
        **({"approved by": promotion.approved_by} if promotion.approved_by else {}),
        **({"to go back": code("facesent rollback")} if previous is not None and promotion.changed else {}),
    }
    restart = (
        "\n\n`facesent serve` switches to it by itself; restart `mlflow models serve`." if promotion.changed else ""
    )
    return f"{sentence}\n\n{artifacts.table(rows)}{restart}"


def reported(project: Project, candidate: "Candidate") -> str:
    """Where the page lies that tells how good the model is, and the other places of the run."""
    return listed(of_run(project, candidate))


def link(text: str, address: str) -> Markdown:
    """A markdown link, or the text alone where there is no address."""
    return Markdown(f"[{escaped(text)}]({address})") if address else escaped(text)


def _training(project: Project) -> str:
    """What was trained and how far it came; the curves are on the page of ``evaluate``, which draws them."""
    path = project.training_metrics
    if not path.is_file():
        return ""
    metrics: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    model = load_params(project.params).model
    start = "from scratch" if model.weights == "none" else f"from the weights {code(model.weights)}"
    what = f"**{model.name}** at {model.image_size} × {model.image_size} pixels, {start}: "
    what += f"{metrics['parameters']:,} parameters. {metrics['epochs']} epochs; epoch {metrics['best_epoch']} was kept."
    measures = [(name, metrics[name], metrics[f"val_{name}"]) for name in ("accuracy", "loss")]
    further = {name: metrics[name] for name in ("temperature", "learning_rate") if name in metrics}
    return "\n\n".join(
        [
            what,
            table(("epoch kept", "train, during training", "validation"), measures),
            ", ".join(f"{name.replace('_', ' ')} {value:.4g}" for name, value in further.items()),
        ]
    )


def of_run(project: Project, candidate: "Candidate") -> dict[str, str]:
    """Names, and addresses, paths or ids."""
    from facesent.registry.artifacts import EVALUATION, GATE
    from facesent.registry.pages import run_page, version_page

    run = run_page(candidate.run_id)
    found = {"MLflow run": run or candidate.run_id, "model version": version_page(candidate.version)}
    # The gate's page has the verdict too.
    for page, artifact in ((project.judged_page, GATE), (project.report_page, EVALUATION)):
        if page.is_file():
            found["report"] = page.as_posix()
            if run:
                found["report in MLflow"] = run_page(candidate.run_id, f"{artifact}/{page.name}")
            break
    docs = project.data_docs
    return {**found, "data docs": docs.as_posix()} if docs.is_file() else found


def listed(found: Mapping[str, str]) -> str:
    """Names and places as a markdown list, with links to pages and files."""
    from facesent.registry.pages import opened_by

    after = f"\n\nMLflow's pages open after {code(opened_by())}." if opened_by() else ""
    return "\n".join(f"- {_entry(name, place)}" for name, place in found.items()) + after


def _entry(name: str, place: str) -> str:
    if place.startswith(("http://", "https://")):
        return link(name, place)
    path = Path(place)
    return f"{name}: " + (f"[{code(place)}]({path.absolute().as_uri()})" if path.is_file() else code(place))
