"""A registered version in other formats."""
