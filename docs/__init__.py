"""What is written and shown about the project."""
