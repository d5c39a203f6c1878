"""Hair and headwear, behind the head and before it."""

from facesent.sources.drawn_faces.canvas import Canvas, mix
from facesent.sources.drawn_faces.geometry import Point, Pose, brush, ellipse, mirrored, smooth, surface
from facesent.sources.drawn_faces.head import outline
from facesent.sources.drawn_faces.person import Person

_LONG = {"bob": 0.75, "long": 1.75, "wavy": 1.5, "fringe": 0.95}


def draw_back_hair(canvas: Canvas, pose: Pose, person: Person) -> None:
    """Draw what is seen of the hair behind head and neck, or the back of a scarf."""
    w, h = person.width + 0.12 + 0.12 * person.volume, person.height + 0.12
    dark = mix(person.hair, (20, 10, 20), 0.3)
    if person.style in _LONG:
        end = _LONG[person.style] + 0.35 * person.length
        wave = 0.14 if person.style == "wavy" else 0.03
        half = [(0.0, -h), (0.6 * w, -0.95 * h), (w, -0.5), (w + wave, 0.1), (w, 0.45 * end),
                (w + wave * 1.4, 0.75 * end), (w * 0.85, end), (0.0, end * 0.96)]  # fmt: skip
        canvas.fill(pose.at_depth(smooth(mirrored(half)), -0.25), dark)
    elif person.style == "bun":
        size = 0.3 + 0.08 * person.length
        canvas.fill(pose.at_depth(ellipse(person.parting * 0.4, -h - 0.16, size * 1.1, size), -0.3), dark)
    elif person.style == "curly":
        _draw_curls(canvas, pose, person, depth=-0.3, inner=0.0)
    elif person.style == "scarf":
        half = [(0.0, -h - 0.06), (0.62 * w, -0.96 * h), (w + 0.06, -0.4), (w + 0.02, 0.4), (0.86, 0.95), (1.0, 1.6),
                (0.0, 2.0)]  # fmt: skip
        canvas.fill(pose.at_depth(smooth(mirrored(half)), -0.15), mix(person.accent, (0, 0, 0), 0.22))


def draw_front_hair(canvas: Canvas, pose: Pose, person: Person) -> None:
    """Draw the hair or headwear over the forehead."""
    if person.style == "bald":
        return
    if person.style in ("scarf", "beanie"):
        _draw_headwear(canvas, pose, person)
        return
    if person.style == "curly":
        _draw_curls(canvas, pose, person, depth=0.05, inner=0.72)
        return
    grow = {"buzz": 1.015, "short": 1.06, "quiff": 1.08, "fringe": 1.09}.get(person.style, 1.07) + 0.04 * person.volume
    line = _hairline(person)
    cap = _cap(pose, person, grow, line)
    colour = person.hair if person.style != "buzz" else mix(person.hair, person.skin, 0.3)
    canvas.fill(cap, colour)
    inside = canvas.mask(cap)
    bright = mix(colour, (255, 236, 214), 0.26)
    shine = brush(smooth([(-0.55, -0.66), (-0.2, -0.84), (0.2, -0.86), (0.5, -0.74)], closed=False), 0.015, 0.05, 0.01)
    canvas.fill(pose.at_depth(shine, 0.3), bright, opacity=0.75, softness=0.008, clip=inside)
    for i in range(4):
        x = -0.6 + 0.4 * i
        root = (person.parting, -person.height)
        strand = smooth([root, ((x + person.parting) / 2, -0.86), (x, -0.5)], closed=False)
        stroke = pose.at_depth(brush(strand, 0.002, 0.012, 0.002), 0.25)
        canvas.fill(stroke, mix(colour, (10, 5, 10), 0.4), opacity=0.5, clip=inside)


def _cap(pose: Pose, person: Person, grow: float, line: list[Point]) -> list[Point]:
    """From the left temple over the crown to the right temple, and back along the hairline."""
    end = line[-1][1]
    crown = [(x, y) for x, y in smooth(outline(person, grow)) if y < end]
    right = [p for p in crown if p[0] >= 0]
    left = [p for p in crown if p[0] < 0]
    lift = 0.22 if person.style == "quiff" else 0.0
    top = [(x, y - lift * max(0.0, 1 - ((x - person.parting * 0.5) / 0.6) ** 2)) for x, y in left + right]
    # The hairline leaves the face's surface at the temples, where it meets the crown.
    edge = [(x, y, surface(x, y) * max(0.0, 1 - (x / person.width) ** 4)) for x, y in smooth(line[::-1], closed=False)]
    return pose.at_depth(top, -0.02) + [pose.place(*point) for point in edge]


def _hairline(person: Person) -> list[Point]:
    w, p = person.width, person.parting
    side = {"buzz": -0.12, "short": 0.0, "side": 0.02, "quiff": -0.1, "bun": -0.08}.get(person.style, 0.22)
    if person.style == "fringe":
        drop = -0.38 + 0.06 * person.length
        middle = [(-0.62, -0.12), (-0.55, drop), (-0.2, drop - 0.03), (0.2, drop - 0.02), (0.55, drop), (0.62, -0.12)]
    elif person.style == "side":
        middle = [(-0.7, -0.4), (-0.4, -0.6), (p, -0.78), (0.35, -0.52), (0.66, -0.36)]
        middle = middle if p < 0 else [(-x, y) for x, y in reversed(middle)]
    elif person.style in ("bob", "long", "wavy"):
        middle = [(-0.7, -0.1), (-0.6, -0.42), (p - 0.2, -0.7), (p, -0.86), (p + 0.2, -0.7), (0.6, -0.42), (0.7, -0.1)]
    else:
        peak = -0.66 - 0.06 * person.volume
        middle = [(-0.68, -0.3), (-0.56, peak + 0.08), (-0.2, peak), (0.2, peak), (0.56, peak + 0.08), (0.68, -0.3)]
    return [(-w * 1.02, side), *middle, (w * 1.02, side)]


def _draw_curls(canvas: Canvas, pose: Pose, person: Person, depth: float, inner: float) -> None:
    size = 0.2 + 0.08 * person.volume
    grow = 1.02 + 0.12 * person.volume
    low = -0.35 if inner else 0.1 + 0.5 * person.length
    rim = [p for p in smooth(outline(person, grow), steps=2) if p[1] < low]
    curls = rim + [(x * inner, y * 0.86) for x, y in rim if inner and y < -0.55]
    for i, (x, y) in enumerate(curls):
        tone = mix(person.hair, (255, 230, 200), 0.1) if i % 3 == 0 else person.hair
        tone = tone if inner else mix(person.hair, (20, 10, 20), 0.3)
        radius = size * (0.85 + 0.3 * ((i * 7) % 5) / 5)
        canvas.fill(pose.at_depth(ellipse(x, y, radius, radius, 16), depth), tone)
        if inner:
            bright, half = mix(person.hair, (255, 230, 200), 0.3), radius * 0.5
            arc = smooth([(x - half, y), (x, y - half * 1.1), (x + half, y - half * 0.2)], closed=False)
            canvas.fill(pose.at_depth(brush(arc, 0.004, 0.014, 0.004), depth), bright, opacity=0.6)


def _draw_headwear(canvas: Canvas, pose: Pose, person: Person) -> None:
    dark, light = mix(person.accent, (0, 0, 0), 0.16), mix(person.accent, (255, 255, 255), 0.2)
    w = person.width
    if person.style == "beanie":
        line = [(-w * 1.04, -0.42), (-0.5, -0.6), (0.0, -0.66), (0.5, -0.6), (w * 1.04, -0.42)]
        canvas.fill(_cap(pose, person, 1.14, line), person.accent)
        band = [(-w * 1.05, -0.52), (-0.5, -0.66), (0.0, -0.72), (0.5, -0.66), (w * 1.05, -0.52)]
        shape = brush(smooth(band, closed=False), 0.1, 0.12, 0.1)
        canvas.fill([pose.place(x, y, 0.42 * max(0.0, 1 - (x / w) ** 2)) for x, y in shape], dark)
        canvas.fill(pose.at_depth(ellipse(0, -1.24, 0.17, 0.16), 0.0), light)
        return
    # A ring around the face and over the neck: the outer edge, then the inner one backwards.
    h = person.height
    half = [(0.0, -1.13 * h), (0.56 * w, -1.05 * h), (w, -0.68 * h), (w * 1.15, -0.15), (w * 1.1, 0.35), (0.7, 0.85),
            (0.6, 1.25), (0.62, 1.6), (0.0, 1.74)]  # fmt: skip
    outer = smooth(mirrored(half))
    inner = [(x, y + 0.05 * max(0.0, y)) for x, y in smooth(outline(person, 0.93))]
    canvas.fill(pose.at_depth([*outer, outer[0]], 0.0) + pose.on_face([inner[0], *inner[::-1]]), person.accent)
    for x in (-0.3, 0.1, 0.34):
        drape = smooth([(x, 1.16), (x * 0.8 + 0.05, 1.38), (x * 0.5, 1.6)], closed=False)
        canvas.fill(pose.at_depth(brush(drape, 0.004, 0.022, 0.004), 0.0), dark, opacity=0.8)
    fold = smooth([(-0.66, -0.5), (-0.3, -0.86), (0.3, -0.86), (0.66, -0.5)], closed=False)
    canvas.fill(pose.at_depth(brush(fold, 0.004, 0.02, 0.004), 0.25), light, opacity=0.7)
