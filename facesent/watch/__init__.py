"""Whether the answers in service have changed since the baseline was accepted."""
