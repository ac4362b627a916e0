"""Rendered people as a data set, with a disk cache."""
