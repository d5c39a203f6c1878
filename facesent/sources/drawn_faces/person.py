"""Who is drawn: traits that stay the same in all pictures of a person."""

from dataclasses import dataclass

from facesent.sources.drawn_faces.canvas import Colour, mix
from facesent.sources.drawn_faces.chance import Chance
from facesent.sources.drawn_faces.expression import Expression, resting_face

_SKIN: tuple[Colour, ...] = (
    (250, 222, 200), (244, 205, 178), (236, 188, 155), (226, 172, 134), (208, 150, 110),
    (186, 126, 88), (160, 104, 70), (132, 84, 57), (106, 67, 47),
)  # fmt: skip
_HAIR: tuple[Colour, ...] = (
    (38, 32, 36), (52, 38, 34), (78, 52, 38), (110, 72, 46), (146, 92, 50), (150, 66, 40),
    (196, 150, 88), (222, 190, 130), (150, 150, 154), (214, 212, 208), (60, 96, 110), (168, 84, 112),
)  # fmt: skip
_HAIR_WEIGHTS = (5, 5, 4, 4, 3, 2, 2.5, 2, 1.5, 1.2, 0.6, 0.6)
_IRIS: tuple[Colour, ...] = ((74, 48, 34), (92, 62, 40), (60, 84, 60), (66, 98, 128), (96, 110, 120))
_CLOTHES: tuple[Colour, ...] = (
    (52, 73, 94), (178, 74, 66), (66, 122, 112), (226, 178, 86), (236, 230, 220), (92, 78, 122),
    (48, 48, 54), (120, 150, 184), (204, 128, 108), (96, 118, 78),
)  # fmt: skip
_STYLES = ("bald", "buzz", "short", "side", "quiff", "curly", "bob", "long", "wavy", "bun", "fringe", "beanie", "scarf")
_STYLE_WEIGHTS = (1.2, 2, 3.2, 3, 2.4, 2.8, 2.2, 2, 2, 1.8, 2, 1.6, 1)
_BEARDED = ("bald", "buzz", "short", "side", "quiff", "curly", "beanie")


@dataclass(frozen=True)
class Person:
    """Lengths in face coordinates, see `Pose`."""

    skin: Colour
    hair: Colour
    iris: Colour
    lips: Colour
    clothes: Colour
    accent: Colour
    style: str
    parting: float
    volume: float
    length: float
    width: float
    jaw: float
    chin: float
    height: float
    ears: float
    eye_gap: float
    eye_size: float
    eye_level: float
    brow_weight: float
    brow_arch: float
    nose_length: float
    nose_width: float
    mouth_level: float
    mouth_size: float
    lip_fullness: float
    lashes: float
    beard: str
    glasses: str
    freckles: bool
    collar: str
    resting: Expression

    @property
    def shadow(self) -> Colour:
        """Skin in the shade."""
        return mix(self.skin, (70, 28, 40), 0.3)

    @property
    def line(self) -> Colour:
        """Fine lines on the skin."""
        return mix(self.skin, (40, 14, 20), 0.62)

    @property
    def blush(self) -> Colour:
        """Reddened skin."""
        return mix(self.skin, (226, 62, 72), 0.62)


def draw_person(chance: Chance) -> Person:
    """Draw one person's traits."""
    skin = chance.pick(_SKIN)
    style = chance.pick(_STYLES, _STYLE_WEIGHTS)
    dark = sum(skin) < 400
    hair = chance.pick(_HAIR[:4]) if dark else chance.pick(_HAIR, _HAIR_WEIGHTS)
    bearded = style in _BEARDED and chance.happens(0.5)
    soft = not bearded and (style in ("bob", "long", "wavy", "bun", "scarf") or chance.happens(0.25))
    return Person(
        skin=mix(skin, chance.pick(((255, 214, 170), (255, 190, 190), (180, 140, 100))), chance.between(0, 0.14)),
        hair=mix(hair, (120, 70, 40), chance.between(0, 0.12)),
        iris=_IRIS[0] if dark else chance.pick(_IRIS),
        lips=mix(skin, (168, 44, 58), chance.between(0.45, 0.75) if soft else chance.between(0.25, 0.4)),
        clothes=chance.pick(_CLOTHES),
        accent=chance.pick(_CLOTHES),
        style=style,
        parting=chance.between(-0.45, 0.45),
        volume=chance.between(0.0, 1.0),
        length=chance.between(0.0, 1.0),
        width=chance.between(0.72, 0.86),
        jaw=chance.between(0.44, 0.54) if soft else chance.between(0.5, 0.64),
        chin=chance.between(0.16, 0.3),
        height=chance.between(0.94, 1.08),
        ears=chance.between(0.12, 0.2),
        eye_gap=chance.between(0.34, 0.38),
        eye_size=chance.between(1.08, 1.24),
        eye_level=chance.between(-0.1, 0.0),
        brow_weight=chance.between(0.032, 0.048) if soft else chance.between(0.042, 0.064),
        brow_arch=chance.between(0.02, 0.1),
        nose_length=chance.between(0.27, 0.36),
        nose_width=chance.between(0.1, 0.17),
        mouth_level=chance.between(0.54, 0.6),
        mouth_size=chance.between(0.29, 0.34),
        lip_fullness=chance.between(0.045, 0.085) if soft else chance.between(0.025, 0.06),
        lashes=1.0 if soft else chance.between(0.2, 0.5),
        beard=chance.pick(("stubble", "full", "goatee", "moustache")) if bearded else "none",
        glasses=chance.pick(("none", "round", "square"), (7, 1.3, 1.3)),
        freckles=not dark and chance.happens(0.15),
        collar=chance.pick(("round", "shirt", "hood", "turtle")),
        resting=resting_face(chance),
    )
