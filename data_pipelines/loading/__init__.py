"""Training batches and evaluation splits from the data settings of a run."""
