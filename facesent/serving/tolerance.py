"""How far apart the probabilities of one version may be, wherever they are computed."""

TOLERANCE = 1e-5
"""Rounding in float32, in another order of summation."""
