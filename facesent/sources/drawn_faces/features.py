"""Eyes, brows and mouth: the parts that move with the expression."""

from facesent.sources.drawn_faces.canvas import Canvas, Colour, Mask, mix
from facesent.sources.drawn_faces.expression import Expression
from facesent.sources.drawn_faces.geometry import Point, Pose, brush, ellipse, mirrored, smooth
from facesent.sources.drawn_faces.person import Person

_WHITE: Colour = (246, 242, 238)
_INK: Colour = (34, 24, 28)
_TEETH: Colour = (248, 244, 236)
_MOUTH: Colour = (92, 26, 36)
_TONGUE: Colour = (226, 108, 116)
_TEAR: Colour = (176, 212, 236)


def _clamp(value: float, low: float, high: float) -> float:
    return min(high, max(low, value))


def draw_eye(canvas: Canvas, pose: Pose, person: Person, face: Expression, side: int) -> None:
    """Draw one eye; ``side`` is -1 for the one on the left of the picture, +1 for the other."""
    size, x, y = 0.165 * person.eye_size, side * person.eye_gap, person.eye_level
    opening = _clamp(1 + face.eye_open, 0.0, 1.6)
    slope = _clamp(face.lid_slope, -1.2, 1.2)
    # From the inner corner to the outer one.
    across = [-1.0, -0.55, 0.0, 0.55, 1.0]
    arch = [0.0, 0.72, 1.0, 0.78, 0.0]
    lift = 0.105 * person.eye_size * opening
    sink = 0.062 * person.eye_size * min(opening, 1.25) - 0.075 * _clamp(face.squint, 0, 1.1)
    sink = max(sink, 0.012 - lift)
    shape = list(zip(across, arch, strict=True))
    upper = [(x + side * size * t, y - lift * a - 0.05 * slope * t * (0.4 + 0.6 * a)) for t, a in shape]
    lower = [(x + side * size * t, y + sink * a) for t, a in shape]
    lower[0], lower[-1] = upper[0], upper[-1]
    lid, under = smooth(upper, closed=False), smooth(lower, closed=False)
    if lift + sink > 0.035:
        opened = canvas.mask(pose.on_face(lid + under[::-1]))
        _draw_eyeball(canvas, pose, person, face, (x, y), opened)
    else:
        lid = under
    weight = 0.013 + 0.012 * person.lashes
    canvas.fill(pose.on_face(brush(lid, 0.006, weight, 0.006 + 0.01 * person.lashes)), _INK)
    canvas.fill(pose.on_face(brush(under, 0.003, 0.007, 0.003)), person.line, opacity=0.55)
    crease = [(px, py - 0.045 - 0.02 * face.brow_raise) for px, py in lid[4:-3]]
    canvas.fill(pose.on_face(brush(crease, 0.002, 0.008, 0.002)), person.line, opacity=0.5)


def _draw_eyeball(canvas: Canvas, pose: Pose, person: Person, face: Expression, at: Point, opened: Mask) -> None:
    x, y = at
    radius = 0.086 * person.eye_size
    ix = x + 0.06 * _clamp(face.gaze_x, -1, 1)
    iy = y - 0.015 + 0.085 * _clamp(face.gaze_y, -1.05, 0.75)
    white = mix(_WHITE, person.shadow, 0.06)
    canvas.fill(pose.on_face(ellipse(x, y, 0.25, 0.25)), white, clip=opened)
    canvas.fill(pose.on_face(ellipse(ix, iy, radius, radius)), mix(person.iris, _INK, 0.45), clip=opened)
    canvas.fill(pose.on_face(ellipse(ix, iy + 0.012, radius * 0.78, radius * 0.74)), person.iris, clip=opened)
    canvas.fill(pose.on_face(ellipse(ix, iy, radius * 0.48, radius * 0.48)), _INK, clip=opened)
    canvas.fill(pose.on_face(ellipse(ix + 0.03, iy - 0.034, 0.022, 0.022)), (255, 255, 255), clip=opened)
    canvas.fill(pose.on_face(ellipse(x, y - 0.13, 0.2, 0.075)), person.shadow, opacity=0.4, clip=opened)


def draw_brow(canvas: Canvas, pose: Pose, person: Person, face: Expression, side: int) -> None:
    """Draw one eyebrow, from its inner to its outer end."""
    tilt = _clamp(face.brow_tilt, -1.2, 1.25)
    raised = _clamp(face.brow_raise, -0.9, 1.2)
    x, y = side * person.eye_gap, person.eye_level - 0.26 - 0.13 * raised
    reach = 0.2 * person.eye_size
    pinch = 0.045 * max(tilt, 0)
    line = [
        (x - side * (reach * 0.9 + pinch), y + 0.14 * tilt - 0.012),
        (x - side * reach * 0.3, y + 0.04 * tilt - person.brow_arch * 0.5),
        (x + side * reach * 0.4, y - 0.035 * tilt - person.brow_arch),
        (x + side * reach * 1.08, y - 0.05 * tilt + 0.055),
    ]
    colour = mix(person.hair, (40, 28, 26), 0.45)
    if sum(person.skin) < 330:
        colour = mix(colour, (16, 10, 12), 0.6)
    weight = person.brow_weight
    stroke = brush(smooth(line, closed=False), weight * 0.75, weight, weight * 0.2)
    canvas.fill(pose.on_face(stroke, lift=0.03), colour, opacity=0.92)


def draw_mouth(canvas: Canvas, pose: Pose, person: Person, face: Expression) -> None:
    """Draw the mouth, closed or open, with teeth and tongue."""
    half = person.mouth_size * _clamp(1 + 0.9 * face.mouth_width, 0.45, 1.5)
    opening = _clamp(face.mouth_open, 0.0, 1.0)
    y = person.mouth_level - 0.02 * opening
    corner = 0.15 * _clamp(face.mouth_curve, -1.1, 1.1)
    skew = 0.05 * face.skew
    left, right = (-half, y - corner * 0.75 + skew), (half, y - corner * 0.75 - skew)
    dip = corner * 0.45
    roof = smooth([left, (-half * 0.5, y + dip * 0.7 - 0.03 * opening), (0, y + dip - 0.03 * opening),
                   (half * 0.5, y + dip * 0.7 - 0.03 * opening), right], closed=False)  # fmt: skip
    drop = 0.44 * opening
    base = smooth([left, (-half * 0.62, y + dip * 0.7 + drop * 0.72), (0, y + dip + drop),
                   (half * 0.62, y + dip * 0.7 + drop * 0.72), right], closed=False)  # fmt: skip
    _draw_lips(canvas, pose, person, roof, base)
    if opening > 0.07:
        _draw_inside(canvas, pose, face, roof, base)
    else:
        canvas.fill(pose.on_face(brush(roof, 0.008, 0.014, 0.008)), person.line)
    for x, cy in (left, right):
        canvas.fill(pose.on_face(ellipse(x, cy, 0.022, 0.018, 12)), person.line, opacity=0.7)
    if face.tongue * opening > 0.12:
        _draw_tongue(canvas, pose, half, base, face)


def _draw_lips(canvas: Canvas, pose: Pose, person: Person, roof: list[Point], base: list[Point]) -> None:
    full, middle = person.lip_fullness, len(roof) // 2
    shape = [1 - (abs(i - middle) / middle) ** 2 for i in range(len(roof))]
    bow = [1 - 0.3 * max(0.0, 1 - abs(i - middle) / 3) for i in range(len(roof))]
    above = [(x, y - full * s * b * 0.8) for (x, y), s, b in zip(roof, shape, bow, strict=True)]
    below = [(x, y + full * s) for (x, y), s in zip(base, shape, strict=True)]
    canvas.fill(pose.on_face(above + roof[::-1]), mix(person.lips, person.shadow, 0.3))
    canvas.fill(pose.on_face(base + below[::-1]), person.lips)
    gleam = [(x, y + full * 0.5) for x, y in base[middle - 4 : middle + 5]]
    bright = mix(person.lips, (255, 255, 255), 0.5)
    canvas.fill(pose.on_face(brush(gleam, 0.002, full * 0.16, 0.002)), bright, opacity=0.5)
    shade = [(x, y + full + 0.05) for x, y in base[middle - 5 : middle + 6]]
    canvas.fill(pose.on_face(brush(shade, 0.004, 0.022, 0.004)), person.shadow, opacity=0.55, softness=0.006)


def _draw_inside(canvas: Canvas, pose: Pose, face: Expression, roof: list[Point], base: list[Point]) -> None:
    outline = pose.on_face(roof + base[::-1])
    opened = canvas.mask(outline)
    canvas.fill(outline, _MOUTH)
    middle = len(base) // 2
    height = base[middle][1] - roof[middle][1]
    back = ellipse(0, base[middle][1] + 0.02, abs(base[0][0]) * 0.62, height * 0.4)
    canvas.fill(pose.on_face(back), mix(_TONGUE, _MOUTH, 0.25), clip=opened)
    teeth = _clamp(face.teeth, 0.0, 1.0)
    if teeth > 0.15:
        depth = min(height * 0.6, 0.06 + 0.05 * teeth)
        canvas.fill(pose.on_face(roof + [(x, y + depth) for x, y in reversed(roof)]), _TEETH, clip=opened)
    if teeth > 0.6 and face.mouth_curve < 0.2:
        low = min(height * 0.3, 0.06)
        canvas.fill(pose.on_face([(x, y - low) for x, y in base] + base[::-1]), mix(_TEETH, _MOUTH, 0.12), clip=opened)


def _draw_tongue(canvas: Canvas, pose: Pose, half: float, base: list[Point], face: Expression) -> None:
    out = _clamp(face.tongue, 0.0, 1.1)
    rim = base[len(base) // 2][1]
    width = min(half * 0.64, 0.2)
    root, tip = rim - 0.07, rim + 0.2 * out
    middle = (root + tip) / 2
    half_shape = [
        (0.0, root - 0.035),
        (width * 0.8, root),
        (width, middle),
        (width * 0.72, tip - 0.02),
        (0.0, tip + 0.03),
    ]
    canvas.fill(pose.on_face(smooth(mirrored(half_shape))), _TONGUE)
    groove = brush([(0, root + 0.02), (0.004, middle), (0, tip - 0.03)], 0.004, 0.011, 0.003)
    canvas.fill(pose.on_face(groove), mix(_TONGUE, _MOUTH, 0.5), opacity=0.8)


def draw_feeling(canvas: Canvas, pose: Pose, person: Person, face: Expression, head: Mask) -> None:
    """Draw what the skin shows: blush, tears, and the lines that a raised or knitted brow makes."""
    blush = _clamp(face.blush, 0.0, 1.0)
    if blush > 0.05:
        for side in (-1, 1):
            cheek = pose.on_face(ellipse(side * person.eye_gap * 1.3, person.eye_level + 0.3, 0.19, 0.12))
            canvas.fill(cheek, person.blush, opacity=0.75 * blush, softness=0.016, clip=head)
    for side in (-1, 1):
        if face.tears > 0.35:
            x, y = side * person.eye_gap, person.eye_level + 0.09
            drop = smooth([(x, y), (x + 0.035, y + 0.14), (x, y + 0.21), (x - 0.035, y + 0.14)])
            canvas.fill(pose.on_face(drop), _TEAR, opacity=0.85, clip=head)
        if face.brow_tilt > 0.55:
            x, y = side * 0.045, person.eye_level - 0.2
            frown = brush([(x, y - 0.07), (x * 1.2, y), (x, y + 0.07)], 0.002, 0.01, 0.002)
            canvas.fill(pose.on_face(frown), person.line, opacity=0.6)
        if face.mouth_curve > 0.45:
            x, y = side * (person.mouth_size + 0.12), person.mouth_level
            fold = smooth([(x * 0.72, 0.34), (x, y - 0.12), (x * 1.02, y)], closed=False)
            canvas.fill(pose.on_face(brush(fold, 0.002, 0.008, 0.002)), person.line, opacity=0.45)
    if face.brow_raise > 0.6:
        for level in (0.5, 0.57):
            y = person.eye_level - level
            crease = smooth([(-0.25, y), (0, y - 0.02), (0.25, y)], closed=False)
            canvas.fill(pose.on_face(brush(crease, 0.001, 0.006, 0.001)), person.line, opacity=0.35, clip=head)
