"""Sequences of one person: reader interface, points, crops, keypoint detection."""
