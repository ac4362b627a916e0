"""Formats of 2D keypoint files, one module each; `reading.parse` recognises them."""
