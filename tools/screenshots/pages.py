"""What is shown of each tool, and how to get there."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from facesent.registry.notes import VIEW
from tools.screenshots.browser import HEIGHT, Camera
from tools.screenshots.terminal import terminal_page

if TYPE_CHECKING:
    from playwright.sync_api import Page

# Charts and fonts are drawn after the data came.
_SETTLE = 5_000  # milliseconds
_EXPERIMENT = "facesent"
# MLflow's pages start with those for language models, and with a panel over a third of the page.
_TRAININGS = "workflowType=machine_learning"
_MLFLOW_VISITED = """
localStorage.setItem("mlflow.assistant.fab.autoOpenedOnFirstLoad_v1", "true");
localStorage.setItem("mlflow.workflowType_v1", '"machine_learning"');
"""


def mlflow(camera: Camera, server: str) -> None:
    """The list of runs, their charts, one run, and the registered model."""
    with _mlflow_page(camera, "mlflow-runs", height=520) as page:
        experiment = _mlflow_experiment(page, server)
        view = f"{server}/#/experiments/{experiment}/runs?{_TRAININGS}&viewStateShareKey={VIEW}"
        page.goto(view)
        _wait(page, "reference_cnn")
    with _mlflow_page(camera, "mlflow-compare") as page:
        page.goto(f"{view}&compareRunsMode=CHART")
        _wait(page, "reference_cnn")
    with _mlflow_page(camera, "mlflow-run", height=900) as page:
        run = _mlflow_runs(page, server, experiment)[0]
        page.goto(f"{server}/#/experiments/{experiment}/runs/{run}?{_TRAININGS}")
        _wait(page, "Description")
    with _mlflow_page(camera, "mlflow-model") as page:
        page.goto(f"{server}/#/models/facesent?{_TRAININGS}")
        _wait(page, "Intended use")


@contextmanager
def _mlflow_page(camera: Camera, name: str, height: int = HEIGHT) -> "Iterator[Page]":
    with camera.page(name, height) as page:
        page.add_init_script(_MLFLOW_VISITED)
        yield page
        _settle(page)
        for button in ("Hide banner", "Toggle sidebar"):
            if (found := page.get_by_role("button", name=button)).count():
                found.first.click()
        page.mouse.move(0, 0)
        _settle(page)


def prefect(camera: Camera, server: str) -> None:
    """The last run of the flow, and its summary."""
    with camera.page("prefect-run", height=600) as page:
        run = _post(page, f"{server}/api/flow_runs/filter", {"sort": "START_TIME_DESC", "limit": 1})[0]["id"]
        page.goto(f"{server}/runs/flow-run/{run}")
        _wait(page, "facesent-pipeline")
        _settle(page)
    with camera.page("prefect-summary", height=1000) as page:
        asked = {"artifacts": {"flow_run_id": {"any_": [run]}, "key": {"any_": ["summary"]}}}
        summary = _post(page, f"{server}/api/artifacts/filter", asked)[0]["id"]
        page.goto(f"{server}/artifacts/artifact/{summary}")
        _wait(page, "test accuracy")
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
        _wait(page, "what the network saw")
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


def _wait(page: "Page", text: str) -> None:
    # Not until it is visible: pages that do not fit a phone hide much there.
    page.get_by_text(text).first.wait_for(state="attached")


def _settle(page: "Page") -> None:
    # Not until the network is idle: these pages never stop asking for news.
    page.wait_for_timeout(_SETTLE)
