"""Random changes of training images: where the face is, what hides it, how it was photographed, and mixtures of two."""
