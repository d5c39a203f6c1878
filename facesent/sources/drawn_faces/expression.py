"""What a face does: continuous parameters, a few typical faces for each class, and chance around them."""

from dataclasses import dataclass, fields

from facesent.sources.drawn_faces.chance import Chance


@dataclass(frozen=True)
class Expression:
    """A face's movable parts; all zero is a face at rest."""

    brow_raise: float = 0.0
    brow_tilt: float = 0.0  # + inner ends down, - inner ends up
    eye_open: float = 0.0  # -1 closed, +0.5 wide
    squint: float = 0.0  # the lower lid pushed up
    lid_slope: float = 0.0  # + inner end of the upper lid down, - outer end down
    gaze_x: float = 0.0
    gaze_y: float = 0.0  # - up, + down
    mouth_curve: float = 0.0  # + corners up, - corners down
    mouth_open: float = 0.0
    mouth_width: float = 0.0
    teeth: float = 0.0
    tongue: float = 0.0
    blush: float = 0.0
    skew: float = 0.0  # the mouth's two corners apart in height
    tears: float = 0.0


_TYPICAL: dict[str, tuple[Expression, ...]] = {
    "Ahegao": (
        Expression(brow_raise=0.5, brow_tilt=-0.4, gaze_y=-1.0, mouth_open=0.6, tongue=1.0, blush=1.0,
                   mouth_curve=0.15),
        Expression(brow_raise=0.3, brow_tilt=-0.3, eye_open=-0.4, gaze_y=-0.85, mouth_open=0.45, tongue=0.8,
                   blush=0.8, mouth_curve=0.4, mouth_width=0.1),
    ),
    "Angry": (
        Expression(brow_raise=-0.6, brow_tilt=1.0, eye_open=-0.15, squint=0.3, lid_slope=0.9, mouth_curve=-0.5,
                   mouth_width=-0.1),
        Expression(brow_raise=-0.5, brow_tilt=0.9, squint=0.2, lid_slope=0.8, mouth_curve=-0.45, mouth_open=0.6,
                   teeth=0.8),
        Expression(brow_raise=-0.6, brow_tilt=1.0, eye_open=-0.2, squint=0.4, lid_slope=0.8, mouth_curve=-0.4,
                   mouth_open=0.3, teeth=1.0, mouth_width=0.1),
    ),
    "Happy": (
        Expression(brow_raise=0.15, brow_tilt=-0.1, squint=0.35, mouth_curve=0.85, mouth_width=0.2, blush=0.2),
        Expression(brow_raise=0.15, brow_tilt=-0.1, squint=0.45, mouth_curve=0.9, mouth_open=0.35, mouth_width=0.3,
                   teeth=1.0, blush=0.2),
        Expression(brow_raise=0.35, eye_open=-0.9, squint=0.5, mouth_curve=0.95, mouth_open=0.65, mouth_width=0.3,
                   teeth=0.7, blush=0.3),
    ),
    "Neutral": (
        Expression(),
        Expression(eye_open=-0.2, gaze_y=0.1),
        Expression(mouth_open=0.14, brow_raise=0.15),
        Expression(mouth_curve=0.15, skew=0.3),
    ),
    "Sad": (
        Expression(brow_tilt=-1.0, brow_raise=0.1, eye_open=-0.25, lid_slope=-0.8, gaze_y=0.35, mouth_curve=-0.65,
                   mouth_width=-0.1),
        Expression(brow_tilt=-1.0, eye_open=-0.4, squint=0.3, lid_slope=-0.8, mouth_curve=-0.75, mouth_open=0.3,
                   tears=1.0, blush=0.25),
        Expression(brow_tilt=-0.8, brow_raise=-0.1, eye_open=-0.5, lid_slope=-0.7, gaze_y=0.6, mouth_curve=-0.5,
                   mouth_width=-0.15),
    ),
    "Surprise": (
        Expression(brow_raise=1.0, eye_open=0.45, mouth_open=0.7, mouth_width=-0.45),
        Expression(brow_raise=0.8, eye_open=0.35, mouth_open=0.35, mouth_width=-0.5),
        Expression(brow_raise=0.9, brow_tilt=-0.25, eye_open=0.45, mouth_open=0.45, mouth_width=-0.15, teeth=0.4),
    ),
}  # fmt: skip

CLASSES = tuple(_TYPICAL)

_JITTER = Expression(
    brow_raise=0.25, brow_tilt=0.25, eye_open=0.14, squint=0.15, lid_slope=0.2, gaze_x=0.6, gaze_y=0.18,
    mouth_curve=0.2, mouth_open=0.07, mouth_width=0.12, teeth=0.2, tongue=0.15, blush=0.2, skew=0.2,
)  # fmt: skip

_RESTING = Expression(
    brow_raise=0.2, brow_tilt=0.2, eye_open=0.1, squint=0.08, lid_slope=0.2, mouth_curve=0.16, mouth_width=0.1,
    blush=0.1, skew=0.08,
)  # fmt: skip


def resting_face(chance: Chance) -> Expression:
    """A person's face at rest: some people look stern or sad or startled when they are not."""
    return Expression(**{name: chance.around(0, reach) for name, reach in _values(_RESTING)})


def draw_expression(chance: Chance, label: str, resting: Expression) -> Expression:
    """An expression of the class: stronger or weaker, with a little of another class, and with noise.

    Weak expressions and mixtures are why the classes overlap.
    """
    main = chance.pick(_TYPICAL[label])
    other = chance.pick(_TYPICAL[chance.pick(CLASSES)])
    strength = chance.between(0.5, 1.15)
    trace = chance.between(0.1, 0.35) if chance.happens(0.25) else 0.0
    return Expression(
        **{
            name: (1 - trace) * strength * value
            + trace * getattr(other, name)
            + getattr(resting, name)
            + chance.around(0, getattr(_JITTER, name))
            for name, value in _values(main)
        }
    )


def _values(expression: Expression) -> list[tuple[str, float]]:
    return [(field.name, getattr(expression, field.name)) for field in fields(expression)]
