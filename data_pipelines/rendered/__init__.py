"""Rendered people as a data set, with a cache on disk."""
