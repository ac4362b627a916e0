"""Data: from the files of a data set to training batches and evaluation splits.

NumPy in, NumPy out. Units and frames follow `docs/conventions.md`. Each reader converts
the conventions of its data set (y up, centimetres, pixel centres at integers).
"""
