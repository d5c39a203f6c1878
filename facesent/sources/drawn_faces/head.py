"""The parts of a head that stay: neck, clothes, ears, skull, nose, beard, glasses."""

from facesent.sources.drawn_faces.canvas import Canvas, Colour, Mask, mix
from facesent.sources.drawn_faces.expression import Expression
from facesent.sources.drawn_faces.geometry import Point, Pose, brush, ellipse, mirrored, smooth
from facesent.sources.drawn_faces.person import Person


def outline(person: Person, grow: float = 1.0) -> list[Point]:
    """The head's outline in face coordinates, from the top round the right side."""
    w, h = person.width * grow, person.height * grow
    half = [(0.0, -h), (0.5 * w, -0.93 * h), (0.88 * w, -0.62 * h), (w, -0.2), (0.97 * w, 0.2),
            (person.jaw * 1.18 * grow, 0.55), (person.jaw * 0.74 * grow, 0.83 * h), (person.chin * grow, 0.97 * h),
            (0.0, h)]  # fmt: skip
    return mirrored(half)


def head_shape(pose: Pose, person: Person, face: Expression) -> list[Point]:
    """The head on the canvas; an open mouth lowers the jaw, and the chin stands before the skull."""
    jaw = 0.14 * min(max(face.mouth_open, 0.0), 1.0)
    points = []
    for x, y in smooth(outline(person)):
        low = max(0.0, y / person.height)
        points.append(pose.place(x, y + jaw * low**2, 0.3 * low**2))
    return points


def draw_bust(canvas: Canvas, pose: Pose, person: Person) -> None:
    """Draw neck and shoulders; they follow the head's place but hardly its turn."""
    body = Pose(pose.yaw * 0.3, 0.0, pose.roll * 0.25, pose.scale, pose.x, pose.y)
    half = [(0.0, 1.3), (0.45, 1.32), (1.0, 1.5), (1.4, 1.85), (1.55, 2.6), (1.6, 4.0), (0.0, 4.0)]
    shoulders = smooth(mirrored(half))
    neck = [(-0.36, 0.4), (0.36, 0.4), (0.4, 1.3), (0.5, 1.5), (0.0, 1.66), (-0.5, 1.5), (-0.4, 1.3)]
    canvas.fill(body.at_depth(shoulders, -0.1), person.clothes)
    edge = brush(smooth([(1.02, 1.9), (1.1, 2.4), (1.08, 3.0)], closed=False), 0.006, 0.012, 0.006)
    for sign in (-1, 1):
        canvas.fill(body.at_depth([(sign * x, y) for x, y in edge], -0.1), mix(person.clothes, (0, 0, 0), 0.25))
    canvas.fill(body.at_depth(neck, -0.1), mix(person.skin, person.shadow, 0.45))
    chin = pose.at_depth(ellipse(0, 0.98, 0.5, 0.3), 0.0)
    canvas.fill(chin, person.shadow, softness=0.012, clip=canvas.mask(body.at_depth(neck, -0.1)))
    _draw_collar(canvas, body, person)


def _draw_collar(canvas: Canvas, body: Pose, person: Person) -> None:
    dark = mix(person.clothes, (0, 0, 0), 0.2)
    if person.collar == "round":
        line = smooth([(-0.52, 1.34), (-0.36, 1.56), (0, 1.68), (0.36, 1.56), (0.52, 1.34)], closed=False)
        canvas.fill(body.at_depth(brush(line, 0.03, 0.05, 0.03), -0.1), dark)
    elif person.collar == "shirt":
        for sign in (-1, 1):
            flap = [(sign * x, y) for x, y in [(0.42, 1.16), (0.62, 1.4), (0.34, 1.86), (0.0, 1.6)]]
            canvas.fill(body.at_depth(flap, -0.05), mix(person.accent, (255, 255, 255), 0.55))
    elif person.collar == "turtle":
        roll = smooth([(-0.42, 1.08), (0, 1.22), (0.42, 1.08), (0.48, 1.4), (0, 1.56), (-0.48, 1.4)])
        canvas.fill(body.at_depth(roll, -0.05), mix(person.clothes, (255, 255, 255), 0.14))
    else:
        for sign in (-1, 1):
            line = smooth([(sign * 0.5, 1.2), (sign * 0.56, 1.5), (sign * 0.1, 1.8)], closed=False)
            canvas.fill(body.at_depth(brush(line, 0.06, 0.13, 0.05), -0.05), dark)
            cord = brush([(sign * 0.14, 1.74), (sign * 0.16, 2.0), (sign * 0.15, 2.2)], 0.015, 0.015, 0.02)
            canvas.fill(body.at_depth(cord, 0.0), mix(person.accent, (255, 255, 255), 0.6))


def draw_skull(canvas: Canvas, pose: Pose, person: Person, shape: list[Point]) -> None:
    """Draw ears and head, with a soft shadow on the side that is turned away."""
    for side in () if person.style == "scarf" else (-1, 1):
        x = side * (person.width + 0.02)
        ear, shell = ellipse(x, 0.06, 0.11, person.ears + 0.06), ellipse(x + side * 0.01, 0.07, 0.055, person.ears)
        canvas.fill(pose.at_depth(ear, -0.12), mix(person.skin, person.shadow, 0.25))
        canvas.fill(pose.at_depth(shell, -0.1), person.shadow, opacity=0.6)
    canvas.fill(shape, person.skin)
    head = canvas.mask(shape)
    away = -1 if pose.yaw > 0 else 1
    cheek, chin = ellipse(away * 1.02, 0.25, 0.4, 1.1), ellipse(0, 1.1, 0.7, 0.2)
    canvas.fill(pose.at_depth(cheek, 0.0), person.shadow, opacity=0.5, softness=0.03, clip=head)
    canvas.fill(pose.at_depth(chin, 0.15), person.shadow, opacity=0.35, softness=0.025, clip=head)
    glow = mix(person.skin, (255, 246, 232), 0.4)
    canvas.fill(pose.on_face(ellipse(-away * 0.22, -0.55, 0.3, 0.2)), glow, opacity=0.5, softness=0.03, clip=head)
    for side in (-1, 1):
        socket = pose.on_face(ellipse(side * person.eye_gap, person.eye_level - 0.04, 0.22, 0.14))
        canvas.fill(socket, person.shadow, opacity=0.28, softness=0.014, clip=head)


def draw_nose(canvas: Canvas, pose: Pose, person: Person) -> None:
    """Draw the nose: a soft side, a bright ridge, wings."""
    w, tip = person.nose_width, person.eye_level + person.nose_length
    away = -1 if pose.yaw > 0 else 1

    def lifted(points: list[Point]) -> list[Point]:
        return [pose.place(x, y, 0.6 + 0.2 * max(0.0, (y - person.eye_level) / person.nose_length)) for x, y in points]

    side = [(0.05, -0.08), (0.07, tip - 0.15), (w, tip), (0.02, tip + 0.03), (0.0, tip - 0.1)]
    canvas.fill(lifted(smooth([(away * x, y) for x, y in side])), person.shadow, opacity=0.6, softness=0.005)
    bright, ball = mix(person.skin, (255, 250, 240), 0.5), ellipse(-away * 0.015, tip - 0.05, 0.045, 0.05)
    canvas.fill(lifted(ball), bright, opacity=0.6, softness=0.005)
    wings = [(-w, tip - 0.01), (-w * 0.55, tip + 0.045), (0, tip + 0.06), (w * 0.55, tip + 0.045), (w, tip - 0.01)]
    under = smooth(wings, closed=False)
    canvas.fill(lifted(brush(under, 0.006, 0.014, 0.006)), person.line, opacity=0.6)


def draw_freckles(canvas: Canvas, pose: Pose, person: Person) -> None:
    """Draw freckles on nose and cheeks."""
    for i in range(14):
        x, y = ((i * 37) % 100 / 100 - 0.5) * 0.95, person.eye_level + 0.2 + (i * 53) % 17 / 100
        canvas.fill(pose.on_face(ellipse(x, y, 0.016, 0.014, 8)), mix(person.skin, (150, 80, 50), 0.5), opacity=0.7)


def draw_beard(canvas: Canvas, pose: Pose, person: Person, face: Expression, head: Mask) -> None:
    """Draw the beard under the mouth."""
    colour = mix(person.hair, (40, 26, 24), 0.3)
    level, w = person.mouth_level, person.mouth_size
    jaw = 0.16 * max(0.0, face.mouth_open)
    if person.beard in ("full", "stubble"):
        half = [(0.0, level - 0.17), (w * 1.35, level - 0.16), (0.62, 0.3), (1.0, 0.12), (0.9, 1.0), (0.0, 1.5)]
        opacity, softness = (0.9, 0.006) if person.beard == "full" else (0.28, 0.02)
        canvas.fill(pose.on_face(smooth(mirrored(half))), colour, opacity=opacity, softness=softness, clip=head)
    if person.beard == "goatee":
        half = [(0.0, level + 0.1), (0.16, level + 0.14), (0.18, 0.9 + jaw), (0.0, 1.02 + jaw)]
        canvas.fill(pose.on_face(smooth(mirrored(half))), colour, opacity=0.9, softness=0.004, clip=head)
    if person.beard in ("goatee", "moustache", "full"):
        lip = smooth([(-w * 1.05, level - 0.03), (-w * 0.5, level - 0.12), (0, level - 0.1), (w * 0.5, level - 0.12),
                      (w * 1.05, level - 0.03)], closed=False)  # fmt: skip
        canvas.fill(pose.on_face(brush(lip, 0.01, 0.045, 0.01), lift=0.04), colour, opacity=0.95)


def draw_glasses(canvas: Canvas, pose: Pose, person: Person, head: Mask) -> None:
    """Draw the frame, its bridge and temples, and a glint on the lenses."""
    frame: Colour = mix(person.accent, (20, 20, 24), 0.75)
    y, r = person.eye_level + 0.02, 0.26
    for side in (-1, 1):
        x = side * person.eye_gap
        if person.glasses == "round":
            ring = ellipse(x, y, r, r * 0.95)
        else:
            half = [(0.0, y - 0.19), (r, y - 0.17), (r * 0.94, y + 0.12), (0.0, y + 0.2)]
            ring = [(x + dx, dy) for dx, dy in smooth(mirrored(half))]
        canvas.fill(pose.on_face(ring, lift=0.08), (255, 255, 255), opacity=0.1)
        closed = [*ring, ring[0], ring[1]]
        canvas.fill(pose.on_face(brush(closed, 0.02, 0.02, 0.02), lift=0.08), frame)
        glint = brush([(x - 0.12, y + 0.06), (x - 0.06, y - 0.02), (x + 0.0, y - 0.1)], 0.008, 0.014, 0.008)
        canvas.fill(pose.on_face(glint, lift=0.08), (255, 255, 255), opacity=0.4)
        near, far = side * (person.eye_gap + r), side * person.width
        arm = [(near, y - 0.03, 0.45), (far, y - 0.05, -0.05), (far, y, -0.05), (near, y + 0.01, 0.45)]
        canvas.fill([pose.place(*point) for point in arm], frame, clip=head)
    bridge = smooth([(-person.eye_gap + r, y - 0.02), (0, y - 0.07), (person.eye_gap - r, y - 0.02)], closed=False)
    canvas.fill(pose.on_face(brush(bridge, 0.018, 0.018, 0.018), lift=0.1), frame)
