"""One picture: who, with which expression, how posed, where, and how photographed."""

from facesent.sources.drawn_faces.camera import SUPERSAMPLING, Pixels, photograph
from facesent.sources.drawn_faces.canvas import Canvas
from facesent.sources.drawn_faces.chance import Chance
from facesent.sources.drawn_faces.expression import Expression, draw_expression
from facesent.sources.drawn_faces.features import draw_brow, draw_eye, draw_feeling, draw_mouth
from facesent.sources.drawn_faces.geometry import Pose
from facesent.sources.drawn_faces.hair import draw_back_hair, draw_front_hair
from facesent.sources.drawn_faces.head import (
    draw_beard,
    draw_bust,
    draw_freckles,
    draw_glasses,
    draw_nose,
    draw_skull,
    head_shape,
)
from facesent.sources.drawn_faces.person import Person, draw_person
from facesent.sources.drawn_faces.scenery import draw_background, draw_occlusion

_OCCLUDED = 0.12


def draw_portrait(seed: int, person: int, image: int, label: str, side: int) -> Pixels:
    """Draw picture ``image`` (from 1) of a person with an expression of class ``label``.

    Returns:
        RGB, ``(side, side, 3)``, 0..255; the same for the same arguments on every machine.
    """
    sitter = draw_person(Chance(seed, person, 0))
    chance = Chance(seed, person, image)
    face = draw_expression(chance, label, sitter.resting)
    pose = _draw_pose(chance)
    canvas = Canvas(side * SUPERSAMPLING)
    draw_background(canvas, chance)
    _draw_sitter(canvas, pose, sitter, face)
    if chance.happens(_OCCLUDED):
        draw_occlusion(canvas, chance, pose, sitter)
    return photograph(canvas.pixels, chance)


def _draw_pose(chance: Chance) -> Pose:
    return Pose(
        yaw=chance.around(0, 0.45),
        pitch=chance.around(0, 0.2),
        roll=chance.around(0, 0.25),
        scale=chance.between(0.37, 0.45),
        x=chance.around(0.5, 0.1),
        y=chance.around(0.5, 0.08),
    )


def _draw_sitter(canvas: Canvas, pose: Pose, person: Person, face: Expression) -> None:
    shape = head_shape(pose, person, face)
    draw_back_hair(canvas, pose, person)
    draw_bust(canvas, pose, person)
    draw_skull(canvas, pose, person, shape)
    head = canvas.mask(shape)
    if person.freckles:
        draw_freckles(canvas, pose, person)
    draw_beard(canvas, pose, person, face, head)
    draw_feeling(canvas, pose, person, face, head)
    draw_nose(canvas, pose, person)
    draw_mouth(canvas, pose, person, face)
    for side in (-1, 1):
        draw_eye(canvas, pose, person, face, side)
    draw_front_hair(canvas, pose, person)
    for side in (-1, 1):
        draw_brow(canvas, pose, person, face, side)
    if person.glasses != "none":
        draw_glasses(canvas, pose, person, head)
