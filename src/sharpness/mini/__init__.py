"""Small, really trained stand-ins for the published pools and data sets, at scale "mini".

Each is made from data that ship with a dependency and written in the file format, and at the
place, of what it stands in for, so that download, conversion, loading and evaluation are the same
code at both scales. The errors that training measures on its own tensors stand in for the
published ones.
"""

DATA_REVISION = 1
"""Of the data sets: raise it with any change to them, and they are made anew."""
REVISION = 2
"""Of the models: raise it with any change to them, and they are all trained anew."""
