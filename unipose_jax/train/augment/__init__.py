"""Data augmentation of clips, crops, images and keypoints."""
