"""Facial-emotion recognition as a whole workflow: from image files to a gated, served model."""
