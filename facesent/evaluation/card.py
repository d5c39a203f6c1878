"""A report as a model card in Hugging Face's format.

Source of the sections: Mitchell et al., Model Cards for Model Reporting, 2019 (arXiv:1810.03993).
"""

from importlib.resources import files

from facesent.core.markdown import escaped
from facesent.evaluation.report.content import Report
from facesent.evaluation.tables import slices_markdown

NAME = "facesent"
# What MLflow keeps as the description of a registered model or a version.
MOST_CHARACTERS = 5000

_TEMPLATE = files(__package__).joinpath("model_card.md.j2")
_SHOWN_SLICES = 8


def model_card(report: Report, contact: str) -> str:
    """Write the card: YAML metadata, then markdown.

    Args:
        report: of the stage ``evaluate``.
        contact: whom to write to; empty if nobody is named.

    Returns:
        the same text for the same report.
    """
    from huggingface_hub import EvalResult, ModelCard, ModelCardData

    measured = {
        "accuracy": report.accuracy.value,
        "recall": report.macro_recall.value,
        "f1": report.macro_f1,
        "expected_calibration_error": report.calibration.ece,
    }
    metadata = ModelCardData(
        model_name=NAME,
        license="other",
        license_name="see the section Licence",
        library_name="keras",
        pipeline_tag="image-classification",
        tags=["facial-expression-recognition", report.training.network],
        eval_results=[
            EvalResult(
                task_type="image-classification",
                dataset_type="image-folder",
                dataset_name="test split of data/",
                dataset_split="test",
                metric_type=metric,
                metric_value=round(value, 4),
            )
            for metric, value in measured.items()
        ],
    )
    # Those of the classes have a table of their own.
    slices = [part for part in report.slices if part.attribute != "class"][:_SHOWN_SLICES]
    template = _TEMPLATE.read_text(encoding="utf-8")
    card = ModelCard.from_template(
        metadata,
        template_str=template,
        r=report,
        text=escaped,
        labels=", ".join(map(escaped, report.labels)),
        contact=contact,
        slices=slices,
        columns=slices_markdown(report.columns).strip(),
        tested=", ".join(escaped(column.name) for column in report.columns),
    )
    return str(card).strip() + "\n"


def description(card: str) -> str:
    """The card for the registry's page: without metadata, at most ``MOST_CHARACTERS``, cut between paragraphs."""
    body = card.split("---\n", 2)[-1].strip()
    if len(body) <= MOST_CHARACTERS:
        return body
    note = "\n\nThe rest is in the run's artifact `evaluation/model_card.md`."
    return body[: body.rindex("\n\n", 0, MOST_CHARACTERS - len(note))] + note
