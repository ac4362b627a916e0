"""Readers of the original files, one module or package per data set."""
