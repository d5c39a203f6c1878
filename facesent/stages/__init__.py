"""What ``dvc.yaml`` runs: each file a stage, with one function of its name."""
