"""The parts, that is, the roles of data sets in a pool."""

PARTS = {
    "train": "Training",
    "test": "Test",
    "corrupted": "OOD",
    "corrupted_whole": "OOD (whole)",
    "heldout": "Held-out",
    "v2": "ImageNet-V2",
    "r": "ImageNet-R",
    "sketch": "ImageNet-Sketch",
    "a": "ImageNet-A",
    "objectnet": "ObjectNet",
    "lexical": "HANS lexical",
    "subsequence": "HANS subsequence",
    "constituent": "HANS constituent",
}
"""Titles of the parts in labels."""

IN_DISTRIBUTION = ("train", "test", "heldout", "v2")
"""Parts like the training data; App. F counts ImageNet-V2 among them."""
