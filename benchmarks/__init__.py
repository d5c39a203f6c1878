"""What the project's main work costs, beside what people would use instead: ``python -m benchmarks --help``."""
