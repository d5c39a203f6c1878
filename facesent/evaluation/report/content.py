"""What the report says, as plain values: stored by ``evaluate``, and shown again when the gate has judged."""

from dataclasses import dataclass, field

from pydantic import TypeAdapter

from facesent.evaluation.gaps import ColumnResult
from facesent.evaluation.intervals import Estimate
from facesent.evaluation.slices import Slice


@dataclass(frozen=True)
class ClassCounts:
    """Images of one class: all files, those left out, and those of each split."""

    label: str
    files: int
    left_out: int
    train: int
    val: int
    test: int


@dataclass(frozen=True)
class Link:
    """Images that belong together for one reason, and so sit in one split.

    Attributes:
        name: the reason, as ``same person``.
        groups: of two images or more.
        images: in them.
        prevented: held-out images that a split without groups would have put beside a linked one in train.
        leaked: the same in this split.
    """

    name: str
    groups: int
    images: int
    prevented: int
    leaked: int


@dataclass(frozen=True)
class Data:
    """Where the numbers come from.

    Attributes:
        classes: a row a class.
        reasons: why images were left out, and how many for each reason.
        links: empty where the split's report is not known.
    """

    classes: list[ClassCounts]
    reasons: dict[str, int]
    links: list[Link]


@dataclass(frozen=True)
class CurvePoint:
    """One row of the training's history."""

    loss: float
    val_loss: float
    accuracy: float
    val_accuracy: float


@dataclass(frozen=True)
class Training:
    """How the model came about: its network, its size and the training's course.

    Attributes:
        network: name of the architecture.
        image_size: side in pixels of what it looks at.
        parameters: numbers in it.
        model_bytes: of its file.
        kept: the epoch whose weights were kept, from 1.
        epochs: the history.
    """

    network: str
    image_size: int
    parameters: int
    model_bytes: int
    kept: int
    epochs: list[CurvePoint]


@dataclass(frozen=True)
class ClassResult:
    """One class: how many of its images are found (recall), how many answers of it are right (precision)."""

    label: str
    recall: Estimate
    precision: Estimate


@dataclass(frozen=True)
class Bin:
    """Answers of similar confidence; ``confidence`` is their mean."""

    confidence: float
    accuracy: Estimate


@dataclass(frozen=True)
class Calibration:
    """Whether answers are right as often as they are sure; see ``Measures`` for the errors."""

    bins: list[Bin]
    ece: float
    ece_noise: float
    temperature: float


@dataclass(frozen=True)
class Abstention:
    """What is left when less sure answers are "uncertain"; see ``examination.Answered``."""

    min_confidence: float
    coverage: float
    accuracy: float


@dataclass(frozen=True)
class Example:
    """A test image with its answer; the pictures are data URLs, ``heat`` empty where no heat map can be drawn."""

    file_name: str
    actual: str
    predicted: str
    confidence: float
    photo: str
    heat: str


@dataclass(frozen=True)
class Gallery:
    """Pictures of one kind, and how many more of that kind are of classes that are not shown."""

    shown: list[Example]
    withheld: int


@dataclass(frozen=True)
class HardPair:
    """Two classes that are taken for one another.

    Attributes:
        first: the class that is mistaken more often.
        second: the other.
        first_as_second: images of ``first`` that were answered with ``second``.
        second_as_first: the other way.
        images: of both classes.
    """

    first: str
    second: str
    first_as_second: int
    second_as_first: int
    images: int

    @property
    def mistakes(self) -> int:
        """In both directions."""
        return self.first_as_second + self.second_as_first


@dataclass(frozen=True)
class PrecisionRecall:
    """What a class's probability would find at any threshold.

    Attributes:
        label: the class.
        average_precision: the mean precision over the recalls, 0..1.
        points: recall and precision, from the strictest threshold on.
    """

    label: str
    average_precision: float
    points: list[tuple[float, float]]


@dataclass(frozen=True)
class KnownResult:
    """What another model reached on test images of the same set: ``accuracy`` is 0..1."""

    name: str
    accuracy: float


@dataclass(frozen=True)
class Report:
    """All that is known after ``evaluate``; equal for equal inputs.

    Attributes:
        confidence_level: of all intervals.
        accuracy: on the test split.
        split_accuracy: on each split.
        commonest_share: share of the test images in their largest class: what a constant answer reaches.
        macro_recall: mean recall of the classes with test images.
        macro_f1: likewise of F1.
        data: counts.
        training: the model's making.
        labels: the classes.
        confusion: images by true class (rows) and answer (columns).
        classes: results of each.
        calibration: of the confidence.
        abstention: None where every image is answered.
        slices: the weakest first.
        same_answer: change of the images to the share that keeps its answer.
        mistakes: the surest wrong answers.
        successes: the surest right answers.
        no_thumbnails: classes of which no picture is shown.
        pairs: the hardest first.
        precision_recall: of each class with test images.
        reference: None where no other result on these images is known.
        columns: those of ``evaluate.slices``.
    """

    confidence_level: float
    accuracy: Estimate
    split_accuracy: dict[str, Estimate]
    commonest_share: float
    macro_recall: Estimate
    macro_f1: float
    data: Data
    training: Training
    labels: list[str]
    confusion: list[list[int]]
    classes: list[ClassResult]
    calibration: Calibration
    abstention: Abstention | None
    slices: list[Slice]
    same_answer: dict[str, float]
    mistakes: Gallery
    successes: Gallery
    no_thumbnails: list[str]
    pairs: list[HardPair]
    precision_recall: list[PrecisionRecall]
    reference: KnownResult | None = None
    columns: list[ColumnResult] = field(default_factory=list)

    def to_json(self) -> bytes:
        """The values as JSON, UTF-8."""
        return TypeAdapter(Report).dump_json(self, indent=1, exclude=None if self.columns else {"columns"}) + b"\n"

    @classmethod
    def from_json(cls, text: bytes) -> "Report":
        """Read what ``to_json`` gave.

        Raises:
            pydantic.ValidationError: the text is no such JSON.
        """
        return TypeAdapter(cls).validate_json(text)
