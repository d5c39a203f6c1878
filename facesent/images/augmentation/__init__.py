"""Random changes to training images, a function of the seed, the epoch and the image's index."""
