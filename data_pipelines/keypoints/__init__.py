"""2D keypoints in the formats of public detectors, and their joint orders."""
