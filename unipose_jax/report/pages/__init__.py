"""One module per kind of report: training run, prediction, refinement, study."""
