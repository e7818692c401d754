"""Models, weights and data of the user's own, named as ``SCHEME:REST``."""
