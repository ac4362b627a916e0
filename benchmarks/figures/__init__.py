"""Figures of papers and documents, drawn with matplotlib."""
