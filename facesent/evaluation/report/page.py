"""The report as one HTML file that needs nothing else: no script, no picture or font from elsewhere."""

from jinja2 import Environment, PackageLoader, StrictUndefined

from facesent.evaluation.gaps import LEAST_PEOPLE
from facesent.evaluation.report import charts
from facesent.evaluation.report.content import Report
from facesent.evaluation.report.formats import FILTERS
from facesent.evaluation.report.judgement import Judgement
from facesent.evaluation.slices import ATTRIBUTES, LEAST_IMAGES


def render(report: Report, judgement: Judgement | None = None) -> str:
    """The page.

    Args:
        report: what ``evaluate`` found.
        judgement: what the gate and the canary found; without it the page says that it is not judged yet.

    Returns:
        HTML, equal for equal values.
    """
    of_photos = [part for part in report.slices if part.attribute != "class"]
    missed = [part for part in report.slices if part.attribute == "class" and part.accuracy.value < 1]
    cut_by = {part.attribute for part in of_photos}
    return (
        _environment()
        .get_template("report.html.j2")
        .render(
            report=report,
            judgement=judgement,
            test=report.accuracy,
            commonest=max(report.classes, key=lambda result: result.recall.images).label,
            # The slices are sorted: those with too few photos come last.
            weakest=missed[0] if missed else None,
            slices_of_photos=of_photos,
            not_cut_by=[attribute for attribute in ATTRIBUTES if attribute not in cut_by],
            least_images=LEAST_IMAGES,
            least_people=LEAST_PEOPLE,
            curves=[charts.curves(report.training, name) for name in ("accuracy", "loss")],
            trades=charts.trades(report.precision_recall),
            reliability=charts.reliability(report.calibration),
            width=charts.WIDTH,
            height=charts.HEIGHT,
        )
    )


def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("facesent.evaluation.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= FILTERS
    return environment
