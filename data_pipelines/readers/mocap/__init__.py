"""Motion capture: BVH files and joint clips."""
