"""Names that a class folder must not have."""

from collections.abc import Iterable

from facesent.data.errors import DataError

UNCERTAIN = "uncertain"
"""The answer of a model that is less sure than it was asked to be."""


def check_class_names(names: Iterable[str]) -> None:
    """Refuse a class whose name already is an answer.

    Raises:
        DataError: a class is called ``UNCERTAIN``, in whatever case.
    """
    for name in names:
        if name.casefold() == UNCERTAIN:
            raise DataError(
                f"Expected class folders other than {UNCERTAIN!r}, which is the answer below serve.min_confidence. "
                f"Received: {name}. Rename the folder, or leave its images out."
            )
