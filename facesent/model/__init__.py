"""Networks by name, their layers and weights, and a trained one as a file and as a function."""
