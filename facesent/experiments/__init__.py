"""More than one training: cross-validation and sweeps."""
