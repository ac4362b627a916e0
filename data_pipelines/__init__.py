"""Readers: NumPy in, NumPy out. Every file knows one source of RGB-D people.

Units and frames are those of `docs/conventions.md`; a source's own convention
(y up, centimetres, pixel centres at integers) is converted in its own file.
"""
