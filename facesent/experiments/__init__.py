"""More than one training: cross-validation, teachers for a distillation, and sweeps."""
