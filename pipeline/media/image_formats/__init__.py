"""Formats of pictures that need more than Pillow."""
