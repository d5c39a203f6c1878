"""Suspect labels: found, queued, reviewed and corrected."""
