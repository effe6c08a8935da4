"""Measurements against peers, taken in the same run on the same files."""
