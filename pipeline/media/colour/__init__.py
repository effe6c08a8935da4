"""Colours as a screen of sRGB shows them."""
