"""A sweep under way: the trials that are missing, one after the other, each in the study and in MLflow."""

import shutil
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import optuna
import yaml
from optuna.trial import Trial, TrialState

from facesent.core.errors import FacesentError
from facesent.core.files import locked
from facesent.core.paths import Project
from facesent.core.programs import Log
from facesent.experiments.settings import Metric
from facesent.experiments.space import Values, check_space, with_values
from facesent.experiments.study import (
    best_value,
    kept_in,
    missing,
    next_trial,
    open_study,
    report,
    reported,
    study_name,
    values_of,
)
from facesent.experiments.trial import CHECKPOINT
from facesent.experiments.trial_process import Row, TrialFailedError, training_process
from facesent.params import Params
from facesent.registry import runs
from facesent.registry.lineage import lineage_tags, run_name
from facesent.section import ParamsError


@dataclass(frozen=True)
class Ended:
    """How a trial ended: its number, ``complete`` or ``pruned``, its best value if it has one, epochs trained."""

    number: int
    state: str
    value: float | None
    epochs: int


@dataclass(frozen=True)
class OpenSweep:
    """A sweep that this process runs, and no other one beside it.

    Attributes:
        project: whose settings, images and splits.
        params: its settings.
        metric: what is optimised, on the validation split.
        study: Optuna's memory of the trials.
        run_id: of the parent run in MLflow.
    """

    project: Project
    params: Params
    metric: Metric
    study: optuna.Study
    run_id: str

    @property
    def missing(self) -> int:
        """Trials still to be finished."""
        return missing(self.study, self.params.sweep)

    def next_trial(self) -> Trial:
        """Go on with the trial that a kill left, or draw a new one.

        Raises:
            FacesentError: splits or code are others than when the sweep began.
        """
        self._require_same()
        trial, new = next_trial(self.study, self.params)
        if new:
            shutil.rmtree(self.folder(trial.number), ignore_errors=True)
        return trial

    def folder(self, number: int) -> Path:
        """Where a trial's settings, log and checkpoint lie."""
        return self.project.sweep / f"trial-{number}"

    def values(self, trial: Trial) -> Values:
        """What the trial's keys are set to."""
        return values_of(trial, self.params)

    def run(self, trial: Trial, log: Log) -> Ended:
        """Train until the training or the pruner ends it.

        Raises:
            TrialFailedError: the training failed; the study and MLflow say so.
            ParamsError: the drawn values do not go together; likewise.
            TrialInterruptedError: something else than the values ended it; it can be gone on with.
            TrackingError: if MLflow cannot be reached; the trial can be gone on with.
            FacesentError: splits or code changed meanwhile; the trial's result is not kept.
        """
        run_id = runs.begin(
            f"trial {trial.number}", self.values(trial), fingerprint=self._fingerprint(trial), parent=self.run_id
        )
        try:
            pruned = self._train(trial, run_id, log)
            self._require_same()
        except (TrialFailedError, ParamsError):
            self.study.tell(trial, state=TrialState.FAIL)
            runs.give_up(run_id, "FAILED")
            self._remove_checkpoint(trial)
            raise
        except BaseException:
            runs.give_up(run_id, "KILLED")
            raise
        return self._tell(trial, run_id, pruned)

    def _train(self, trial: Trial, run_id: str, log: Log) -> bool:
        """Whether the trial was pruned."""
        folder = self.folder(trial.number)
        self._write_params(folder, self.values(trial))
        known = reported(trial)
        with training_process(self.project.root, folder) as rows:
            for epoch, row in rows:
                new = epoch not in known
                if new:
                    # First MLflow: a kill in between doubles a point of a curve, and leaves out none.
                    runs.log_epoch(run_id, epoch, row)
                pruned = report(trial, epoch, row[self.metric])
                if new:
                    log(_line(trial, epoch, row, self.params.train.epochs))
                if pruned:
                    return True
        return False

    def _write_params(self, folder: Path, values: Values) -> None:
        nested_params = with_values(self.params, values).nested()
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "params.yaml").write_text(yaml.safe_dump(nested_params, sort_keys=False), encoding="utf-8")

    def _tell(self, trial: Trial, run_id: str, pruned: bool) -> Ended:
        epochs = reported(trial)
        value = best_value(epochs, self.study)
        # A training whose values are all NaN has no result to compare.
        state = "pruned" if pruned or value is None else "complete"
        metrics = {} if value is None else {f"best_{self.metric}": value}
        # First MLflow: what the study knows to be done is not done again after a kill in between.
        runs.finish(run_id, metrics, "KILLED" if state == "pruned" else "FINISHED")
        if state == "pruned":
            self.study.tell(trial, state=TrialState.PRUNED)
        else:
            self.study.tell(trial, value)
        self._remove_checkpoint(trial)
        return Ended(trial.number, state, value, len(epochs))

    def _remove_checkpoint(self, trial: Trial) -> None:
        shutil.rmtree(self.folder(trial.number) / CHECKPOINT, ignore_errors=True)

    def _require_same(self) -> None:
        """A trial on other splits, or of other code, cannot be compared with those of this study."""
        if _name(self.project, self.params, self.metric) != self.study.study_name:
            raise FacesentError(
                "Expected the splits and the code with which this sweep began. Received: others, from a git pull or "
                "dvc repro meanwhile. Run it again: that begins a new sweep."
            )

    def _fingerprint(self, trial: Trial) -> str:
        return f"{self.study.study_name}-{trial.number}"


@contextmanager
def sweeping(project: Project, params: Params, metric: Metric, tags: dict[str, str]) -> Iterator[OpenSweep]:
    """Open the sweep of these settings and splits, or go on with it.

    Args:
        project: its splits must be there.
        params: its settings.
        metric: what is optimised.
        tags: for the parent run, beside those of the lineage.

    Raises:
        ParamsError: the space is not valid.
        FacesentError: there are no splits, another process sweeps here, or the study cannot be read or written.
        TrackingError: if MLflow cannot be reached.
    """
    check_space(params, metric)
    name = _name(project, params, metric)
    database = project.sweep / "study.db"
    with _alone(project.sweep), kept_in(database):
        study = open_study(database, name, params, metric)
        title = f"sweep {run_name(project, params)}"
        run_id = runs.begin(title, params.flat(), fingerprint=name, tags={**lineage_tags(project, params), **tags})
        try:
            yield OpenSweep(project, params, metric, study, run_id)
        except BaseException:
            runs.give_up(run_id, "KILLED")
            raise


def _name(project: Project, params: Params, metric: Metric) -> str:
    return study_name(params, metric, [_bytes(project.split(split)) for split in ("train", "val")])


def _line(trial: Trial, epoch: int, row: Row, epochs: int) -> str:
    measured = "  ".join(f"{name} {row[name]:.3f}" for name in ("val_accuracy", "val_loss") if name in row)
    return f"trial {trial.number}: epoch {epoch + 1:>3}/{epochs}  {measured}"


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise FacesentError(f"Expected a split in {path}. Received: no such file. Run: dvc repro split") from None


def _alone(folder: Path) -> AbstractContextManager[None]:
    busy = FacesentError(f"Expected no other sweep in {folder.absolute()}. Received: one that is running.")
    return locked(folder / "lock", busy)
