"""What is too large to be decoded; apart from the decoder, so that settings cost no import of it."""

MAX_PIXELS = 50_000_000
MAX_WHOLE_PIXELS = 16_000_000
"""Of what is decoded at full size, as all but JPEG has to be: it then takes under 400 MB, transparency included."""
MAX_BYTES = 8 * MAX_PIXELS
"""Of a file: as many as the largest image has with 16 bits a colour, transparency included, and not packed."""
