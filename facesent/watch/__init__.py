"""Whether the answers in service still look as they did when the version was accepted."""
