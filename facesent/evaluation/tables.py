"""Measures as tables that people read."""

from collections.abc import Mapping

import pandas as pd

from facesent.evaluation.measures import Measures

# Accuracy in percent that the reference recipe reached on the Kaggle set.
REFERENCE = {"train": 83.14, "val": 82.52, "test": 80.78}


def class_table(measures: Measures) -> pd.DataFrame:
    """Precision, recall, F1 and support; a row a class."""
    rows = [{"label": label, **vars(values)} for label, values in measures.classes.items()]
    return pd.DataFrame(rows)


def comparison_markdown(splits: Mapping[str, Measures]) -> str:
    """Accuracy of each split beside the reference's."""
    lines = ["| split | images | accuracy | interval | reference |", "|---|---:|---:|---:|---:|"]
    for name, m in splits.items():
        interval = f"{m.accuracy_low:.2%} to {m.accuracy_high:.2%}"
        lines.append(f"| {name} | {m.images} | {m.accuracy:.2%} | {interval} | {REFERENCE[name]:.2f}% |")
    return "\n".join(lines) + "\n"


def evaluation_markdown(splits: Mapping[str, Measures]) -> str:
    """The whole result: comparison, test measures, classes."""
    test = splits["test"]
    summary = (
        f"Test: balanced accuracy {test.balanced_accuracy:.3f}, macro F1 {test.macro_f1:.3f}, "
        f"log loss {test.log_loss:.3f}, ECE {test.ece:.3f}."
    )
    classes = ["| class | precision | recall | F1 | images |", "|---|---:|---:|---:|---:|"]
    classes += [
        f"| {label} | {m.precision:.3f} | {m.recall:.3f} | {m.f1:.3f} | {m.support} |"
        for label, m in test.classes.items()
    ]
    return "\n".join([comparison_markdown(splits), summary, "", *classes, ""])
