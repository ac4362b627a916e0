"""Drawing of poses, clouds and images with matplotlib."""
