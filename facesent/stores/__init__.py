"""What a project keeps in databases: moved from SQLite to PostgreSQL or back, backed up and restored."""
