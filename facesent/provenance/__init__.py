"""Lineage, both ways: from what was answered back to code, data and settings, and from a commit to what it made."""
