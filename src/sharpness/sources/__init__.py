"""Models, weights and data of the user's own, named as ``SCHEME:REST``."""

REVISION = 1
"""Increase it when the loading of models changes: all own models are loaded and saved anew."""
