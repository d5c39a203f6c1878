"""Numbers as the page writes them."""

from facesent.evaluation.intervals import Estimate

_UNITS = (("MB", 1e6), ("kB", 1e3))
_NEARLY_CERTAIN = 0.999


def percent(share: float, digits: int = 1) -> str:
    """A share of 0..1, as ``83.7%``."""
    return f"{share:.{digits}%}"


def sure(confidence: float) -> str:
    """A probability, of which none is certain."""
    return f"over {_NEARLY_CERTAIN:.1%}" if confidence > _NEARLY_CERTAIN else f"{confidence:.1%}"


def between(estimate: Estimate, digits: int = 1) -> str:
    """An interval in words, as ``76% to 91%``."""
    return f"{estimate.low:.{digits}%} to {estimate.high:.{digits}%}"


def span(estimate: Estimate, digits: int = 1) -> str:
    """An interval as short as a table wants it, as ``76–91%``."""
    return f"{100 * estimate.low:.{digits}f}–{100 * estimate.high:.{digits}f}%"


def points(difference: float) -> str:
    """A difference of two shares in percentage points, with its sign."""
    return f"{100 * difference:+.1f}".replace("-", "−")


def count(number: int) -> str:
    """A whole number with its thousands apart."""
    return f"{number:,}"


def size(number: int) -> str:
    """A number of bytes, in units of 10^3 or 10^6 of them."""
    for unit, scale in _UNITS:
        if number >= scale:
            return f"{number / scale:.1f} {unit}"
    return f"{number} bytes"


FILTERS = {each.__name__: each for each in (percent, sure, between, span, points, count, size)}
