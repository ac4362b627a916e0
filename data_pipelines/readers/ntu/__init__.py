"""NTU RGB+D 60."""
