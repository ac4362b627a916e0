"""Checkpoints: saving, resuming, and starting from another run."""
