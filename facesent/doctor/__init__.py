"""What is installed, configured and reachable, and what to do about the rest."""
