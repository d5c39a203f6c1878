"""Networks by name, their training, and a trained one as files."""

import os

# Read when TensorFlow is imported: its start-up notes are no news to the people who train.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
