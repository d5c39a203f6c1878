"""``facesent``: the commands for people."""

import sys
from pathlib import Path
from typing import Any

import click

from facesent.commands.app import app
from facesent.commands.compare import compare
from facesent.commands.data import data
from facesent.commands.doctor import doctor
from facesent.commands.export import export
from facesent.commands.feedback import feedback
from facesent.commands.forget import forget
from facesent.commands.labels import conflicts, label_issues, relabel
from facesent.commands.lineage import lineage, reproduce
from facesent.commands.models import approve, models, promote, reject, rollback
from facesent.commands.people import people
from facesent.commands.predict import predict
from facesent.commands.preset import preset
from facesent.commands.serve import serve
from facesent.commands.stores import backup, move_database, restore
from facesent.commands.watch import watch
from facesent.commands.weights import weights
from facesent.core.console import leave_at_once
from facesent.core.environment import draw_unseen
from facesent.core.lifeline import exit_when_told
from facesent.core.scratch import own_temporary_folder
from facesent.registry.client import prepare


class _Program(click.Group):
    """The commands as a process of the terminal; who calls ``main.main`` in another process keeps its signals."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        exit_when_told()
        own_temporary_folder()
        _require_working_folder()
        try:
            return super().__call__(*args, **kwargs)
        finally:
            leave_at_once()


def _require_working_folder() -> None:
    try:
        Path.cwd()
    except FileNotFoundError:
        sys.exit("Error: Expected a working folder. Received: one that was deleted. Change into the project: cd FOLDER")


@click.group(cls=_Program, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="facesent")
def main() -> None:
    """Facial-emotion recognition, from images to a served model.

    \b
    Get images:       facesent data draw | download | import DIR | add DIR
    Who is who:       facesent data people
    Review labels:    facesent data conflicts | label-issues, then facesent data relabel QUEUE.csv
    Choose settings:  facesent preset quick | reference | best | fast | finetuned
    Pretrained start: facesent weights
    Train:            dvc repro, or python -m flows.pipeline for all of it
    Serve:            facesent promote, then facesent predict PHOTO
    Try:              facesent app
    Answer over HTTP: facesent serve, then facesent watch
    Correct answers:  facesent feedback
    Serve elsewhere:  facesent export champion
    Forget a person:  facesent forget GROUP --dry-run
    For a team:       facesent move-database postgresql://…
    Keep a copy:      facesent backup FOLDER, facesent restore FOLDER
    Look back:        facesent lineage champion, facesent reproduce champion
    Compare:          facesent compare main
    In doubt:         facesent doctor
    """
    prepare()
    draw_unseen()


for command in (conflicts, label_issues, people, relabel):
    data.add_command(command)


for command in (
    data, preset, weights, promote, approve, reject, rollback, models, predict, app, serve, watch, feedback, export,
    lineage, reproduce, compare, forget, move_database, backup, restore, doctor,
):  # fmt: skip
    main.add_command(command)


if __name__ == "__main__":
    main()
