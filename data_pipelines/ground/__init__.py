"""Shared by all data pipelines: files, batch schema, pose files and sampling."""
