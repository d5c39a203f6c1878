"""``python -m facesent.run STAGE``: runs a stage of ``dvc.yaml`` with its watchers.

Kept light: processes that measure images import this module again, as their main one.
"""

import argparse
from collections.abc import Sequence
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

from facesent.core.console import run_main, say
from facesent.core.environment import draw_unseen, prepare_process
from facesent.core.errors import FacesentError
from facesent.core.files import images_in_use
from facesent.core.imports import importing
from facesent.core.lifeline import exit_when_told
from facesent.core.paths import Project
from facesent.core.preflight import Needs, conflicts, git_troubles, index_troubles, troubles
from facesent.core.scratch import own_temporary_folder
from facesent.core.trouble import refuse

if TYPE_CHECKING:
    from facesent.params import Params

STAGES = ("validate", "split", "train", "evaluate")


def run(stage: str, project: Project, data: Path | None = None) -> None:
    """Run a stage, after all settings were checked: a typo in ``gate`` must not wait for a training to end.

    Args:
        stage: one of ``STAGES``.
        project: whose settings and outputs.
        data: class folders to validate in the place of the project's.
    """
    from facesent.params import load_params

    params = load_params(project.params)
    if params.evaluate.slices and data is None:
        from facesent.evaluation.columns import check_columns

        check_columns(project.data, params.evaluate.slices)
    if stage in ("train", "evaluate") and not (path := project.split("train")).is_file():
        raise FacesentError(f"Expected splits in {path.parent}. Received: no {path.name}. Run: dvc repro split")
    with images_in_use(data or project.data):
        match stage:
            case "validate":
                from facesent.stages.validate import validate

                validate(project, data)
            case "split":
                from facesent.stages.split import split

                split(project)
            case "train":
                _train(project, params)
            case "evaluate":
                _evaluate(project, params)


def _train(project: Project, params: "Params") -> None:
    from facesent.core.watching import Terminal, Watcher, watched
    from facesent.registry.client import prepare

    prepare()
    with importing():
        from facesent.prediction.device import device
        from facesent.registry.recorder import Recorder
        from facesent.stages.train import train
        from facesent.training.distribution import is_chief

    watchers: list[Watcher] = [Terminal(device=device)]
    if is_chief(params.train.distribute):
        watchers.append(Recorder(project, params))
    with watched(*watchers) as watch:
        train(project, watch)


def _evaluate(project: Project, params: "Params") -> None:
    from facesent.registry.client import prepare

    prepare()
    with importing():
        from facesent.registry.recorder import record
        from facesent.stages.evaluate import evaluate

    evaluate(project)
    try:
        record(project, params)
    except FacesentError as error:
        say(f"MLflow does not have this evaluation yet; facesent promote will add it. {error}")


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the stage that the command line names."""
    parser = argparse.ArgumentParser(prog="python -m facesent.run", description="Run one stage of dvc.yaml.")
    parser.add_argument("stage", choices=STAGES)
    parser.add_argument("--data", type=Path, help="of validate: class folders of images (default: data)")
    options = parser.parse_args(arguments)
    if options.data and options.stage != "validate":
        parser.error(f"--data belongs to validate. Received: {options.stage}")

    def act() -> None:
        prepare_process()
        draw_unseen()
        here = Path()
        refuse(chain(git_troubles(here), index_troubles(here), conflicts(here)))
        refuse(troubles(here, Needs.TRAINING | Needs.NETWORKS))
        run(options.stage, Project(), options.data)

    exit_when_told()
    own_temporary_folder()
    run_main(act)


if __name__ == "__main__":
    main()
