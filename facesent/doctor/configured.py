"""The project's own state: settings, images, stages, credentials."""

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from facesent.core import preflight
from facesent.core.errors import DataError, FacesentError
from facesent.core.paths import Project
from facesent.core.programs import dvc
from facesent.core.project import require_project
from facesent.dataset.files import describe
from facesent.dataset.glance import check_folders
from facesent.dataset.settings import Validate
from facesent.doctor.finding import Finding, problem
from facesent.forgetting.person import path_of
from facesent.params import load_params
from facesent.registry.client import EXPORT_LOCAL_STORE, encoded_letters
from facesent.registry.lineage import preset_of
from facesent.section import ParamsError, section
from facesent.sources.dvc import Tracking, tracking
from facesent.sources.kaggle import has_credentials
from facesent.sources.store import link_trouble
from facesent.sources.weights.catalogue import needed

_SECONDS = 120


def findings(project: Project) -> Iterator[Finding]:
    """Look at git, ``params.yaml``, ``data/``, the stages and Kaggle's credentials."""
    troubles = list(preflight.troubles(project.root))
    yield _folder(project)
    yield from _code(project)
    yield from map(problem, troubles)
    if not any(trouble.subject == "git" for trouble in troubles):
        yield Finding("git", "ok", str(shutil.which("git")))
    yield _settings(project)
    if path_of(project.root).is_file():
        yield Finding("forget", "problem", "somebody is forgotten by half", "facesent forget, which goes on")
    # DVC would only say the same in other words.
    if not troubles:
        yield _images(project)
        yield _stages(project)
    yield _kaggle()


def _folder(project: Project) -> Finding:
    try:
        require_project(project.root)
    except FacesentError as error:
        return Finding("project", "problem", str(error), "facesent commands and flows only work there")
    folder = str(project.root.absolute())
    if not os.access(project.root, os.W_OK):
        return Finding("project", "problem", f"{folder}: read-only", "give yourself write permission for it")
    if letters := encoded_letters(project.root):
        what = f"{folder}: for its {' '.join(map(repr, letters))} the command mlflow would look in another folder"
        advice = f"before mlflow ui and mlflow models serve: {EXPORT_LOCAL_STORE}"
        return Finding("project", "note", what, advice)
    return Finding("project", "ok", folder)


def _code(project: Project) -> Iterator[Finding]:
    if os.environ.get("PYTHONSAFEPATH"):
        advice = "unset it for them: they lie in this folder, where Python does not look then"
        yield Finding("PYTHONSAFEPATH", "note", "is set: python -m flows.pipeline and its like are not found", advice)
    missing = [f"{name}/" for name in ("facesent", "flows") if not (project.root / name).is_dir()]
    if missing and (project.root / "dvc.yaml").is_file():
        advice = "dvc repro and python -m flows.pipeline need a clone of facesent; predict, serve and promote do not"
        yield Finding("code", "note", f"no {' and no '.join(missing)} in this folder", advice)


def _settings(project: Project) -> Finding:
    try:
        params = load_params(project.params)
    except FacesentError as error:
        return Finding("params.yaml", "problem", str(error), "correct these keys, or write a preset: facesent preset")
    if lacking := needed(params.model, project.root):
        return Finding("params.yaml", "problem", "names weights files that are not there", ", then ".join(lacking))
    learned = params.train.distillation
    if learned.is_on and not (project.root / learned.soft_targets).is_file():
        advice = f"git checkout {learned.soft_targets}, or python -m flows.distillation --apply"
        return Finding("params.yaml", "problem", "names soft targets that are not there", advice)
    return Finding("params.yaml", "ok", f"preset {preset_of(project, params)}")


def _images(project: Project) -> Finding:
    if trouble := link_trouble(project.data):
        return Finding("data/", "note", trouble.what, trouble.advice)
    if not project.data.is_dir():
        return Finding("data/", "note", "missing", "dvc pull data.dvc, or facesent data draw | download | import")
    try:
        contents, state = describe(project.data), tracking(project.data)
        with suppress(ParamsError):  # which is told already
            check_folders(project.data, section(project.params, "validate", Validate))
    except DataError as error:
        return Finding("data/", "problem", str(error), "facesent data status")
    what = f"{sum(contents.classes.values()):,} images in {len(contents.classes)} classes"
    if state is Tracking.MATCHES:
        return Finding("data/", "ok", f"{what}, as data.dvc says")
    return Finding("data/", "note", f"{what}; {state.value} (data.dvc)", "see: facesent data status")


def _stages(project: Project) -> Finding:
    answer = _dvc("status", "--json", folder=project.root)
    if answer is None:
        return Finding("stages", "problem", "dvc status failed", "run: dvc status")
    stale = [name for name in json.loads(answer or "{}") if not name.endswith(".dvc")]
    if stale:
        return Finding("stages", "note", f"to be run: {', '.join(stale)}", "dvc repro, or python -m flows.pipeline")
    return Finding("stages", "ok", "up to date")


def _kaggle() -> Finding:
    if has_credentials():
        return Finding("Kaggle", "ok", "credentials are set; only a download shows whether they are right")
    advice = "for facesent data download: set KAGGLE_USERNAME and KAGGLE_KEY, or KAGGLE_API_TOKEN"
    return Finding("Kaggle", "note", "no credentials", advice)


def _dvc(*arguments: str, folder: Path) -> str | None:
    """What DVC prints; None where it fails."""
    try:
        done = subprocess.run(
            dvc(*arguments), cwd=folder, capture_output=True, text=True, timeout=_SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        return None
    return done.stdout if done.returncode == 0 else None
