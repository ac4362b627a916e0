"""Weights that are part of the package, and their file format."""
