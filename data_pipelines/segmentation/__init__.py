"""Person segmentation in depth maps: floor and walls, candidate bodies, tracking."""
