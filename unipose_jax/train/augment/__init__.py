"""Random views of clips, crops, pictures and poses, for training."""
