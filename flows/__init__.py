"""Prefect over the functions of facesent: when things run, and what happens when they fail."""

from facesent.core.surroundings import name_user

# Prefect asks for a home when it is imported.
name_user()
