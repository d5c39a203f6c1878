"""What MLflow's list of runs says by itself: its columns, and two lines a training."""

import json
from collections.abc import Mapping
from pathlib import PurePath

from facesent.core.markdown import escaped
from facesent.evaluation.measures import Measures
from facesent.model.settings import Model

# The address of the runs' page ends with ?viewStateShareKey=trainings to show them like this.
VIEW = "trainings"
# What tells trainings apart, left, and how well they did.
_COLUMNS = (
    "metrics.`test_accuracy`",
    "metrics.`test_macro_recall`",
    "params.`model.name`",
    "tags.`verdict`",
)
# The charts that come first. MLflow would begin with those whose names have the first letters.
_SECTION = "Model metrics"
_LINES = ("epoch/val_accuracy", "epoch/accuracy", "epoch/val_loss", "epoch/loss")
_BARS = ("test_accuracy", "test_macro_recall", "test_ece")
_ABOUT = (
    "Each run is one training: its settings, its learning curves (`epoch/…`), the kept model's results on validation "
    "(`val_…`) and test images (`test_…`), pictures under Artifacts, and the model. To compare trainings, open the "
    "charts, or select runs and choose Compare."
)


def experiment_tags() -> dict[str, str]:
    """Tags of the experiment: its description, and the view that MLflow's Share button would make."""
    view = {
        "selectedColumns": _COLUMNS,
        "isAccordionReordered": True,
        "compareRunSections": [{"uuid": VIEW, "name": _SECTION, "display": True, "isReordered": True}],
        "compareRunCharts": [*(_chart("LINE", name) for name in _LINES), *(_chart("BAR", name) for name in _BARS)],
    }
    return {"mlflow.note.content": _ABOUT, f"mlflow.sharedViewState.{VIEW}": json.dumps(view)}


def _chart(kind: str, metric: str) -> dict[str, object]:
    """A chart of one metric, as MLflow's pages store one that they made themselves."""
    of_epochs = {"useGlobalXaxisKey": True, "useGlobalLineSmoothing": True, "lineSmoothness": 0, "scaleType": "linear"}
    return {
        "type": kind,
        "uuid": f"{VIEW}-{metric}",
        "metricSectionId": VIEW,
        "metricKey": metric,
        "displayName": metric,
        "isGenerated": True,
        "deleted": False,
        **(of_epochs if kind == "LINE" else {}),
    }


def training_note(model: Model, epochs: int, kept: int, measures: Mapping[str, Measures]) -> dict[str, str]:
    """The run's description, as a tag: what this training was, and what it reached.

    Args:
        model: settings of the network.
        epochs: how many it trained.
        kept: the one whose weights were kept, from 1.
        measures: of ``train``, ``val`` and ``test``.
    """
    pretrained = [escaped(PurePath(trunk.weights).stem) for trunk in model.trunks if trunk.weights != "none"]
    start = f"the weights {', '.join(pretrained)}" if pretrained else "random weights"
    train, val, test = (measures[split] for split in ("train", "val", "test"))
    weakest = min(
        (label for label in test.classes if test.classes[label].support), key=lambda c: test.classes[c].recall
    )
    lines = [
        f"**{model.architecture}** at {model.image_size}×{model.image_size} from {start}: {epochs} epochs over "
        f"{train.images:,} images; kept epoch {kept}, {val.accuracy:.1%} accuracy on the validation images.",
        f"Accuracy **{test.accuracy:.1%}** on {test.images:,} test images ({test.accuracy_low:.1%} to "
        f"{test.accuracy_high:.1%}). The weakest class is {escaped(weakest)}: recall {test.worst_recall:.1%}.",
    ]
    return {"mlflow.note.content": "\n\n".join(lines)}
