"""Shared tools for messages, paths, files and programs; nothing here decides about a result."""
