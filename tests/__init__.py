"""Tests, laid out as the package is; what several need is in `helpers`."""
