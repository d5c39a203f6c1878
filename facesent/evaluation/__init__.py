"""Measures, intervals, pictures and the report of a trained network."""
