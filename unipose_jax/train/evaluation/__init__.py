"""Scores of trained networks on whole splits."""
