"""From a config's data to training batches and evaluation splits."""
