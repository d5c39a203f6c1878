"""Suspect labels: found, queued, looked at and put right."""
