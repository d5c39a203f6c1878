"""Curves and the head's pose, in plain Python floats."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

Point = tuple[float, float]


@dataclass(frozen=True)
class Pose:
    """Where the head is and how it is turned.

    Face coordinates: x right, y down, z towards the viewer; the head is about ±0.78 wide and ±1 high, its
    centre the origin. Canvas coordinates: the square [0, 1]².
    """

    yaw: float
    pitch: float
    roll: float
    scale: float
    x: float
    y: float

    def place(self, x: float, y: float, z: float = 0.0) -> Point:
        """The canvas point of a face point."""
        x, z = x * math.cos(self.yaw) + z * math.sin(self.yaw), z * math.cos(self.yaw) - x * math.sin(self.yaw)
        y = y * math.cos(self.pitch) + z * math.sin(self.pitch)
        x, y = x * math.cos(self.roll) - y * math.sin(self.roll), x * math.sin(self.roll) + y * math.cos(self.roll)
        return self.x + self.scale * x, self.y + self.scale * y

    def on_face(self, points: Sequence[Point], lift: float = 0.0) -> list[Point]:
        """Canvas points of points on the front of the head, ``lift`` above its surface."""
        return [self.place(x, y, surface(x, y) + lift) for x, y in points]

    def at_depth(self, points: Sequence[Point], z: float) -> list[Point]:
        """Canvas points of points in the plane at depth ``z``."""
        return [self.place(x, y, z) for x, y in points]


def surface(x: float, y: float) -> float:
    """Depth of the face at (x, y): a flattened ellipsoid."""
    return 0.62 * math.sqrt(max(0.0, 1 - (x / 0.95) ** 2 - (y / 1.3) ** 2))


def smooth(points: Sequence[Point], *, closed: bool = True, steps: int = 6) -> list[Point]:
    """A Catmull-Rom curve through ``points``."""
    knots = [points[-1], *points, points[0], points[1]] if closed else [points[0], *points, points[-1]]
    curve = []
    for a, b, c, d in zip(knots, knots[1:], knots[2:], knots[3:], strict=False):
        for step in range(steps):
            t = step / steps
            weights = (-t + 2 * t**2 - t**3, 2 - 5 * t**2 + 3 * t**3, t + 4 * t**2 - 3 * t**3, t**3 - t**2)
            blend = [sum(w * p[axis] for w, p in zip(weights, (a, b, c, d), strict=True)) / 2 for axis in (0, 1)]
            curve.append((blend[0], blend[1]))
    return curve if closed else [*curve, points[-1]]


def ellipse(x: float, y: float, rx: float, ry: float, steps: int = 28) -> list[Point]:
    """An ellipse as a polygon."""
    angles = [2 * math.pi * i / steps for i in range(steps)]
    return [(x + rx * math.cos(angle), y + ry * math.sin(angle)) for angle in angles]


def brush(line: Sequence[Point], start: float, middle: float, end: float) -> list[Point]:
    """The outline of a brush stroke along ``line``, with its half-widths at the start, the middle and the end."""
    left, right = [], []
    last = len(line) - 1
    for i, (x, y) in enumerate(line):
        (x0, y0), (x1, y1) = line[max(i - 1, 0)], line[min(i + 1, last)]
        length = math.hypot(x1 - x0, y1 - y0) or 1.0
        t = i / last
        width = start + (middle - start) * 2 * t if t < 0.5 else middle + (end - middle) * (2 * t - 1)
        dx, dy = -(y1 - y0) / length * width, (x1 - x0) / length * width
        left.append((x + dx, y + dy))
        right.append((x - dx, y - dy))
    return left + right[::-1]


def mirrored(half: Sequence[Point]) -> list[Point]:
    """A closed outline from its right half, given from top to bottom with both ends on the axis."""
    return [*half, *((-x, y) for x, y in reversed(half[1:-1]))]
