"""The modes of run.py."""
