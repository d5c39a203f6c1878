"""A registered version behind the real server, before anyone depends on it."""
