"""Backbones that others trained, from packages of public registries into Keras weights files."""
