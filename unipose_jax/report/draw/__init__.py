"""Colours, and poses drawn over images."""
