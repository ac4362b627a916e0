"""Poses in the formats of other tools: NPY, CSV, JSON and BVH."""
