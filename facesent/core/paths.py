"""Where things lie in a project folder: the one table of paths."""

from dataclasses import dataclass
from pathlib import Path

SPLITS = ("train", "val", "test")


@dataclass(frozen=True)
class Project:
    """A folder that holds ``dvc.yaml`` and ``params.yaml``, and what the stages write under it."""

    root: Path = Path()

    @property
    def params(self) -> Path:
        """The settings."""
        return self.root / "params.yaml"

    @property
    def presets(self) -> Path:
        """Named settings: the project's own, or those that came with the package where it has none."""
        own, package = self.root / "presets", Path(__file__).parents[1]
        # In a checkout they lie beside the package, in an installed one they are part of it.
        return next((folder for folder in (own, package / "_presets") if folder.is_dir()), package.parent / "presets")

    @property
    def data(self) -> Path:
        """Class folders of images."""
        return self.root / "data"

    @property
    def data_pointer(self) -> Path:
        """DVC's hash of the images."""
        return self.root / "data.dvc"

    @property
    def outputs(self) -> Path:
        """All that the stages write."""
        return self.root / "outputs"

    @property
    def cache(self) -> Path:
        """What may be deleted at any time; no output of a stage, so that DVC leaves it to the next run."""
        return self.outputs / "cache"

    @property
    def manifest(self) -> Path:
        """One row an image, written by ``validate``."""
        return self.outputs / "validate" / "manifest.parquet"

    @property
    def validation_summary(self) -> Path:
        """How many images of each class there are, and may be used."""
        return self.outputs / "validate" / "summary.json"

    @property
    def data_docs(self) -> Path:
        """Great Expectations' page."""
        return self.outputs / "validate" / "data_docs" / "index.html"

    @property
    def splits(self) -> Path:
        """The images of each split and a report, written by ``split``."""
        return self.outputs / "split"

    @property
    def assignment(self) -> Path:
        """Which split each image was put into so far; kept in git."""
        return self.root / "assignment.csv"

    @property
    def forgotten(self) -> Path:
        """When somebody was forgotten, and how many images and which versions that concerned; kept in git."""
        return self.root / "forgotten.csv"

    def split(self, name: str) -> Path:
        """The images of one of ``SPLITS``."""
        return self.splits / f"{name}.csv"

    @property
    def split_report(self) -> Path:
        """What the splits hold, and what would have leaked between them."""
        return self.splits / "report.json"

    @property
    def train(self) -> Path:
        """The model, its labels and the history, written by ``train``."""
        return self.outputs / "train"

    @property
    def model(self) -> Path:
        """The weights and the network, in Keras's format."""
        return self.train / "model.keras"

    @property
    def labels(self) -> Path:
        """The model's classes in the order of its outputs."""
        return self.train / "labels.json"

    @property
    def history(self) -> Path:
        """One row an epoch."""
        return self.train / "history.csv"

    @property
    def training_metrics(self) -> Path:
        """The kept epoch and its measures."""
        return self.train / "metrics.json"

    @property
    def scan_cache(self) -> Path:
        """What earlier scans measured."""
        return self.cache / "scan.parquet"

    @property
    def people_cache(self) -> Path:
        """Embeddings of faces, of this machine alone."""
        return self.cache / "people.db"

    @property
    def checkpoint(self) -> Path:
        """The state of a training under way; no output of a stage, so that DVC leaves it to a restart."""
        return self.outputs / "checkpoint"

    @property
    def evaluate(self) -> Path:
        """Measures and pictures, written by ``evaluate``."""
        return self.outputs / "evaluate"

    @property
    def metrics(self) -> Path:
        """The measures of each split, written by ``evaluate``."""
        return self.evaluate / "metrics.json"

    @property
    def answers(self) -> Path:
        """The model's answer to each test image, written by ``evaluate``."""
        return self.evaluate / "predictions.csv"

    @property
    def answers_sha256(self) -> Path:
        """The hash of these answers."""
        return self.evaluate / "predictions_sha256.txt"

    @property
    def evaluated_model(self) -> Path:
        """The hash of the model that ``evaluate`` measured."""
        return self.evaluate / "model_sha256.txt"

    @property
    def report(self) -> Path:
        """What ``evaluate`` reports, for the gate to add its verdict."""
        return self.evaluate / "report.json"

    @property
    def report_page(self) -> Path:
        """The same, for people."""
        return self.evaluate / "report.html"

    @property
    def model_card(self) -> Path:
        """What the model is for and how good it is, written by ``evaluate``."""
        return self.evaluate / "model_card.md"

    @property
    def verdict(self) -> Path:
        """The gate's last verdict."""
        return self.outputs / "gate" / "verdict.json"

    @property
    def judged_page(self) -> Path:
        """The report with the verdict, for people."""
        return self.verdict.with_name("report.html")

    @property
    def cross_validation(self) -> Path:
        """The folds and what became of them; no output of a stage, so that DVC leaves it to a restart."""
        return self.outputs / "cross_validation"

    @property
    def distillation(self) -> Path:
        """The networks whose answers are learned, as ``cross_validation`` has its folds."""
        return self.outputs / "distillation"

    @property
    def soft_targets(self) -> Path:
        """What these networks answered to the training images; kept in git."""
        return self.root / "soft_targets.csv"

    @property
    def sweep(self) -> Path:
        """The study, the trials and the results of a sweep."""
        return self.outputs / "sweep"

    @property
    def watch_page(self) -> Path:
        """Whether the answers in service have changed."""
        return self.outputs / "watch" / "watch.html"

    @property
    def feedback(self) -> Path:
        """Photos of accepted corrections."""
        return self.outputs / "feedback"
