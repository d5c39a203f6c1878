"""What is shown of each tool, and how to get there."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from docs.screenshots.browser import Camera
from docs.screenshots.terminal import terminal_page

if TYPE_CHECKING:
    from playwright.sync_api import Page

# Charts and fonts are drawn after the data came.
_SETTLE = 5_000  # milliseconds
_EXPERIMENT = "facesent"


def mlflow(camera: Camera, server: str) -> None:
    """The list of runs, two runs in charts, one run, and the registered model."""
    with camera.page("mlflow-runs", height=420) as page:
        experiment = _mlflow_experiment(page, server)
        page.goto(f"{server}/#/experiments/{experiment}/runs?viewStateShareKey=trainings")
        page.get_by_text("reference_cnn").first.wait_for()
        _settle(page)
    with camera.page("mlflow-compare") as page:
        page.goto(f"{server}/#/experiments/{experiment}/runs?compareRunsMode=CHART")
        page.get_by_text("val_accuracy").first.wait_for()
        _settle(page)
    with camera.page("mlflow-run") as page:
        run = _mlflow_runs(page, server, experiment)[0]
        page.goto(f"{server}/#/experiments/{experiment}/runs/{run}")
        page.get_by_text("Description").first.wait_for()
        _settle(page)
    with camera.page("mlflow-model") as page:
        page.goto(f"{server}/#/models/facesent")
        page.get_by_text("champion").first.wait_for()
        _settle(page)


def prefect(camera: Camera, server: str) -> None:
    """The last run of the flow, with its summary."""
    with camera.page("prefect-run") as page:
        runs = _post(page, f"{server}/api/flow_runs/filter", {"sort": "START_TIME_DESC", "limit": 1})
        page.goto(f"{server}/runs/flow-run/{runs[0]['id']}")
        page.get_by_text("Artifacts").first.click()
        page.get_by_text("summary").first.wait_for()
        _settle(page)


def report(camera: Camera, root: Path) -> None:
    """The upper part of the report: the gate's page, which has the verdict, or else that of ``evaluate``."""
    places = [root / "outputs" / stage / "report.html" for stage in ("gate", "evaluate")]
    with camera.page("report") as page:
        page.goto(next(place for place in places if place.is_file()).as_uri())
        _settle(page)


def app(camera: Camera, server: str, photo: Path) -> None:
    """The page to try the model, after a photo was given to it."""
    with camera.page("app", height=1150) as page:
        page.goto(server)
        page.locator("input[type=file]").first.set_input_files(photo)
        page.get_by_text("what the network saw").wait_for()
        _settle(page)


def terminal(camera: Camera, root: Path, env: Mapping[str, str]) -> None:
    """What ``facesent models`` and ``facesent doctor`` print."""
    for command in ("models", "doctor"):
        with camera.page(f"terminal-{command}", height=200) as page:
            page.set_content(terminal_page(command, root, env))
            size = page.evaluate("[document.body.scrollWidth, document.body.scrollHeight]")
            page.set_viewport_size({"width": size[0], "height": size[1]})


def _mlflow_experiment(page: "Page", server: str) -> str:
    address = f"{server}/api/2.0/mlflow/experiments/get-by-name?experiment_name={_EXPERIMENT}"
    return str(page.request.get(address).json()["experiment"]["experiment_id"])


def _mlflow_runs(page: "Page", server: str, experiment: str) -> list[str]:
    answer = _post(page, f"{server}/api/2.0/mlflow/runs/search", {"experiment_ids": [experiment]})
    return [run["info"]["run_id"] for run in answer["runs"]]


def _post(page: "Page", address: str, body: Mapping[str, Any]) -> Any:
    answer = page.request.post(address, data=json.dumps(body), headers={"Content-Type": "application/json"})
    return answer.json()


def _settle(page: "Page") -> None:
    # Not until the network is idle: these pages never stop asking for news.
    page.wait_for_timeout(_SETTLE)
