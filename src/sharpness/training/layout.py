"""Names inside the safetensors files of a training."""

REVISION = 1
"""Raise it with any change to what is exported: every checkpoint and record is written anew."""

KEY = "sharpness"
"""The one metadata entry, JSON: the format stores a map of strings in random order."""

WEIGHTS = "weights/"
MOMENTUM = "momentum/"
