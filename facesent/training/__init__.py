"""The one way to train: frames in, a trained network out."""
