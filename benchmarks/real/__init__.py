"""Scores of poses on real recordings: `python -m benchmarks.real`."""
