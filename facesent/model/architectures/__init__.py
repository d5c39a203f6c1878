"""Networks by name: from (size, size, 3) bytes to one probability a class."""
