"""The log of answers as its owner uses it: corrections decided, photos taken over, accuracy in service."""
