"""Shared foundations: files, the batch schema, pose files and sampling."""
