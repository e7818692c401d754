"""Models, weights and data of the user's own, named as ``SCHEME:REST``."""

REVISION = 2
"""Increase it when the loading of models changes: all own models are loaded and saved anew."""

ORIGIN, CLASSES = "weights_from", "data_classes"
ADDED = (ORIGIN, CLASSES)
"""Columns of models.csv that no table has: where weights are from, and the data's classes."""

RANDOM = "random weights"
"""Begins the origin of weights that nobody trained."""
