"""Training: one loop, recipes for the methods, checkpoints, evaluation."""
