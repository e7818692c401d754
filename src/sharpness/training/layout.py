"""Names inside the safetensors files of a training."""

KEY = "sharpness"
"""The one metadata entry, JSON: the format stores a map of strings in random order."""

WEIGHTS = "weights/"
MOMENTUM = "momentum/"
