"""Prefect over the functions of facesent: when things run, and what happens when they fail."""
