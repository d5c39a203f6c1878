"""What every part uses to say, find and start things; nothing here decides about a result."""
