"""The stages of dvc.yaml: each file has one function of its own name."""
