"""Prepared data sets: converted once from the original files and stored on disk."""
