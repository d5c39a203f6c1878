"""Photos of the same person, proposed from the faces as groups for the splits."""
