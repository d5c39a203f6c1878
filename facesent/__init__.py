"""Facial-emotion recognition as a whole workflow: from image files to a gated, served model.

For programs and notebooks: ``from facesent import load_champion, predict``.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from facesent.asking.answers import Answer
    from facesent.asking.champion import Champion, load_champion, predict

__all__ = ["Answer", "Champion", "load_champion", "predict"]


def __getattr__(name: str) -> Any:
    """Import what is exported once somebody asks for it: every module of the package imports this file first."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from facesent.asking import champion

    return getattr(champion, name)
