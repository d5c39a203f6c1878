"""Who may be the same person, where nobody says so: proposed from the faces, as groups for the splits."""
