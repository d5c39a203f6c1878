"""What is too large to be decoded; apart from the decoder, so that settings cost no import of it."""

MAX_PIXELS = 50_000_000
