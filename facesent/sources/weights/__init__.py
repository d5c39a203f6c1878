"""Pretrained weights from packages, as Keras weights files."""
