"""What is around the face: a background behind it, and now and then something before it."""

import math

from facesent.sources.drawn_faces.canvas import Canvas, Colour, mix
from facesent.sources.drawn_faces.chance import Chance
from facesent.sources.drawn_faces.geometry import Point, Pose, brush, ellipse, smooth
from facesent.sources.drawn_faces.person import Person

_WALLS: tuple[Colour, ...] = (
    (232, 222, 206), (186, 208, 214), (214, 196, 214), (240, 214, 180), (168, 188, 164), (120, 138, 160),
    (92, 86, 104), (206, 142, 120), (236, 236, 240), (60, 74, 92), (146, 168, 196), (222, 188, 96),
)  # fmt: skip


def draw_background(canvas: Canvas, chance: Chance) -> None:
    """Fill the canvas with a wall, a window, lights, leaves or bands of colour."""
    base, second = chance.pick(_WALLS), chance.pick(_WALLS)
    canvas.shade(mix(base, (255, 255, 255), chance.between(0, 0.3)), mix(base, (30, 24, 40), chance.between(0, 0.45)))
    chance.pick((_plain, _bands, _lights, _window, _leaves, _disc))(canvas, chance, second)


def _plain(canvas: Canvas, chance: Chance, colour: Colour) -> None:
    y = chance.between(0.5, 0.95)
    if chance.happens(0.5):
        canvas.fill([(0, y), (1, y + chance.between(-0.1, 0.1)), (1, 1), (0, 1)], colour, opacity=0.8)
    spot = ellipse(chance.between(0, 1), chance.between(0, 0.6), 0.35, 0.35)
    canvas.fill(spot, (255, 250, 240), opacity=0.3, softness=0.06)


def _bands(canvas: Canvas, chance: Chance, colour: Colour) -> None:
    count, slant = 2 + chance.below(4), chance.between(-0.6, 0.6)
    for i in range(count):
        x, wide = (i + chance.between(0.1, 0.6)) / count * 1.4 - 0.2, chance.between(0.06, 0.2)
        band = [(x, 0.0), (x + wide, 0.0), (x + wide + slant, 1.0), (x + slant, 1.0)]
        canvas.fill(band, colour, opacity=chance.between(0.3, 0.8))


def _lights(canvas: Canvas, chance: Chance, colour: Colour) -> None:
    for _ in range(7 + chance.below(6)):
        size = chance.between(0.04, 0.13)
        at = ellipse(chance.between(0, 1), chance.between(0, 0.8), size, size)
        canvas.fill(at, mix(colour, (255, 240, 200), chance.between(0.2, 0.8)), opacity=0.5, softness=0.008)


def _window(canvas: Canvas, chance: Chance, colour: Colour) -> None:
    x, y = chance.between(-0.1, 0.65), chance.between(-0.1, 0.2)
    wide, high = chance.between(0.3, 0.5), chance.between(0.4, 0.7)
    sky = mix(colour, (210, 232, 250), 0.75)
    canvas.fill(_box(x - 0.03, y - 0.03, wide + 0.06, high + 0.06), mix(colour, (70, 54, 44), 0.5))
    for column in (0, 1):
        for row in (0, 1):
            left, top = x + column * (wide / 2 + 0.01), y + row * (high / 2 + 0.01)
            canvas.fill(_box(left, top, wide / 2 - 0.02, high / 2 - 0.02), sky)


def _leaves(canvas: Canvas, chance: Chance, colour: Colour) -> None:
    green = mix(colour, (64, 112, 78), 0.75)
    for _ in range(12 + chance.below(8)):
        x, y = chance.between(0, 1), chance.between(0, 1)
        angle, length = chance.between(0, 2 * math.pi), chance.between(0.1, 0.26)
        dx, dy = length * math.cos(angle), length * math.sin(angle)
        line = smooth([(x, y), (x + dx / 2, y + dy / 2), (x + dx, y + dy)], closed=False)
        tone = mix(green, (230, 240, 190), chance.between(0, 0.5))
        canvas.fill(brush(line, 0.0, 0.045, 0.0), tone, opacity=0.85)


def _disc(canvas: Canvas, chance: Chance, colour: Colour) -> None:
    size = chance.between(0.3, 0.46)
    canvas.fill(ellipse(chance.between(0.25, 0.75), chance.between(0.3, 0.6), size, size, 48), colour, opacity=0.85)


def _box(x: float, y: float, wide: float, high: float) -> list[Point]:
    return [(x, y), (x + wide, y), (x + wide, y + high), (x, y + high)]


def draw_occlusion(canvas: Canvas, chance: Chance, pose: Pose, person: Person) -> None:
    """Cover part of the face with a hand, a bar, a strand of hair or a corner."""
    covers = [_hand, _bar, _corner]
    if person.style not in ("bald", "buzz", "beanie", "scarf"):
        covers.append(_strand)
    chance.pick(covers)(canvas, chance, pose, person)


def _hand(canvas: Canvas, chance: Chance, pose: Pose, person: Person) -> None:
    side = chance.pick((-1, 1))
    x, y, lean = side * chance.between(0.6, 0.85), chance.between(0.5, 0.85), chance.between(-0.2, 0.5)
    tone, edge = mix(person.skin, (255, 235, 215), 0.12), person.shadow
    for i in range(4):
        tip = (x + side * (0.28 - 0.16 * i) - side * lean * 0.5, y - 0.5 - (0.06, 0.14, 0.12, 0.02)[i])
        root = (x + side * (0.24 - 0.15 * i), y + 0.1)
        middle = ((tip[0] + root[0]) / 2, (tip[1] + root[1]) / 2)
        canvas.fill(pose.at_depth(brush([tip, middle, root], 0.055, 0.085, 0.09), 0.6), edge)
        canvas.fill(pose.at_depth(ellipse(tip[0], tip[1], 0.06, 0.07, 14), 0.6), edge)
        canvas.fill(pose.at_depth(brush([tip, middle, root], 0.042, 0.07, 0.078), 0.6), tone)
        canvas.fill(pose.at_depth(ellipse(tip[0], tip[1], 0.047, 0.058, 14), 0.6), tone)
    palm = [(-0.34, 0.06), (0.34, 0.0), (0.4, 0.5), (0.5, 1.6), (-0.1, 1.6), (-0.22, 0.5)]
    canvas.fill(pose.at_depth(smooth([(x + side * dx, y + dy) for dx, dy in palm]), 0.6), tone)


def _bar(canvas: Canvas, chance: Chance, pose: Pose, person: Person) -> None:
    middle, slant, wide = chance.between(0.2, 0.85), chance.between(-0.25, 0.25), chance.between(0.03, 0.075)
    line = [(-0.05, middle - slant), (0.5, middle), (1.05, middle + slant)]
    if chance.happens(0.5):
        line = [(y, x) for x, y in line]
    canvas.fill(brush(line, wide, wide, wide), mix(chance.pick(_WALLS), (40, 36, 40), 0.4))


def _strand(canvas: Canvas, chance: Chance, pose: Pose, person: Person) -> None:
    side, reach = chance.pick((-1, 1)), chance.between(0.1, 0.7)
    for i in range(3):
        x = side * (0.3 + 0.13 * i)
        line = smooth([(x * 0.5, -0.95), (x, -0.45), (x + side * 0.1, 0.1), (x + side * 0.02, reach)], closed=False)
        canvas.fill(pose.on_face(brush(line, 0.04, 0.06, 0.006), lift=0.1), mix(person.hair, (255, 230, 200), 0.1 * i))


def _corner(canvas: Canvas, chance: Chance, pose: Pose, person: Person) -> None:
    x, y = chance.pick((0.0, 1.0)), chance.pick((0.0, 1.0))
    reach, tall = chance.between(0.3, 0.55), chance.between(0.3, 0.55)
    shape = [(x, y), (x + (reach if x == 0 else -reach), y), (x, y + (tall if y == 0 else -tall))]
    canvas.fill(shape, mix(chance.pick(_WALLS), (30, 30, 36), 0.3), softness=0.006)
