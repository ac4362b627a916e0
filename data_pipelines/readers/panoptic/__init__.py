"""CMU Panoptic."""
