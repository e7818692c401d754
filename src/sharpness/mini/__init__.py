"""Small trained stand-ins for the published pools and data sets, at scale "mini".

Stand-ins are made from data that ship with a dependency and written in the publishers' file formats
and places, so that download, conversion, loading and evaluation run the same code at both scales.
The errors that their training measures stand in for the published errors.
"""

DATA_REVISION = 1
"""Raise it with any change to the stand-in data sets: they are made again."""
REVISION = 2
"""Raise it with any change to the stand-in models: all are trained again."""
