"""Sequences of one person: reader interface, points, crops, detected keypoints."""
