"""Prepared data sets: written to disk once from the original files."""
