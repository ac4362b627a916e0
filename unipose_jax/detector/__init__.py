"""A 2D keypoint detector for recordings: MoveNet, its files and its crops."""
