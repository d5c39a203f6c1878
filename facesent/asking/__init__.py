"""Photos in, answers out: for the terminal, programs and notebooks."""
