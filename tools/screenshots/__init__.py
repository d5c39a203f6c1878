"""Pictures of the pages, for the docs."""
