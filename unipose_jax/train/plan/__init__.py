"""The plan of a run: its stages and the checks of its settings."""
