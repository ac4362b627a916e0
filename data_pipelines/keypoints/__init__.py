"""2D keypoints: formats of public detectors, joint orders and person tracking."""
