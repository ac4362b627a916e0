"""Rows of the table of `python -m benchmarks`."""
