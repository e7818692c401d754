"""Weight maps: correspondence between the arrays of a published file and a network's tensors.

An entry gives the place of an array and the order of its axes, which determines both directions: a
map that reads a format also writes it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate

import numpy as np
from numpy.typing import NDArray

from sharpness.io.errors import UserError

Array = NDArray[np.generic]


@dataclass(frozen=True)
class WeightEntry:
    """One array of a published file and its place in a network.

    Entries with the same place are concatenated along the first axis, in the map's order.

    Attributes:
        upstream: the array's name in the file.
        upstream_shape: its shape there.
        ours: the tensor's name in the network.
        axes: upstream's axes in our order; None leaves them.
        shape: of the result, where axes are also joined; None keeps them apart.
    """

    upstream: str
    upstream_shape: tuple[int, ...]
    ours: str
    axes: tuple[int, ...] | None = None
    shape: tuple[int, ...] | None = None

    @property
    def _ordered(self) -> tuple[int, ...]:
        return tuple(self.upstream_shape[axis] for axis in self._axes)

    @property
    def _axes(self) -> tuple[int, ...]:
        return self.axes or tuple(range(len(self.upstream_shape)))

    @property
    def ours_shape(self) -> tuple[int, ...]:
        """Return the shape in the network."""
        return self._ordered if self.shape is None else self.shape

    def forward(self, array: Array) -> Array:
        """Convert an array from the file's (upstream_shape) to the network's (ours_shape)."""
        return array.transpose(self._axes).reshape(self.ours_shape)

    def backward(self, array: Array) -> Array:
        """Convert an array from the network's (ours_shape) to the file's (upstream_shape)."""
        return array.reshape(self._ordered).transpose(np.argsort(self._axes))


def to_network(
    entries: Sequence[WeightEntry],
    arrays: Mapping[str, Array],
    source: str,
    extras: Collection[str] = (),
) -> dict[str, Array]:
    """Convert the arrays of a file to the tensors of a network; names must match exactly.

    The result holds contiguous float32 arrays by the network's names, in the map's order.
    ``source`` names the file in messages; arrays named in ``extras`` are dropped.

    Raises:
        UserError: naming the array that is missing, left over, or of a wrong shape or type.
    """
    known = {entry.upstream for entry in entries}
    for name in sorted(known ^ arrays.keys()):
        if name in known:
            raise UserError(f"{source}: array {name} is missing; the file is not of this format")
        if name not in extras:
            raise UserError(f"{source}: array {name} has no place in the network; wrong format?")
    for entry in entries:
        _check(arrays[entry.upstream], entry.upstream, entry.upstream_shape, source)
    ours: dict[str, Array] = {}
    for name, parts in _places(entries).items():
        pieces = [part.forward(arrays[part.upstream]) for part in parts]
        ours[name] = np.ascontiguousarray(np.concatenate(pieces) if pieces[1:] else pieces[0])
    return ours


def to_file(entries: Sequence[WeightEntry], weights: Mapping[str, Array]) -> dict[str, Array]:
    """Convert the tensors of a network to the arrays of a file: the inverse of ``to_network``.

    Raises:
        UserError: naming the tensor that is missing, left over, or of another shape or type.
    """
    places = _places(entries)
    for name in sorted(places.keys() ^ weights.keys()):
        what = "is missing" if name in places else "has no place in the file"
        raise UserError(f"weights: tensor {name} {what}; are the sizes of the architecture right?")
    upstream: dict[str, Array] = {}
    for name, parts in places.items():
        rows = [part.ours_shape[0] for part in parts]
        _check(weights[name], name, (sum(rows), *parts[0].ours_shape[1:]), "weights")
        pieces = np.split(weights[name], list(accumulate(rows[:-1])))
        for part, piece in zip(parts, pieces, strict=True):
            upstream[part.upstream] = np.ascontiguousarray(part.backward(piece))
    return {entry.upstream: upstream[entry.upstream] for entry in entries}


def _places(entries: Sequence[WeightEntry]) -> dict[str, list[WeightEntry]]:
    """Group the entries by the network's tensors."""
    places: dict[str, list[WeightEntry]] = {}
    for entry in entries:
        places.setdefault(entry.ours, []).append(entry)
    return places


def _check(array: Array, name: str, shape: tuple[int, ...], source: str) -> None:
    if array.shape != shape:
        raise UserError(f"{source}: array {name} has shape {array.shape}; {shape} is needed")
    if array.dtype != np.float32:
        raise UserError(f"{source}: array {name} holds {array.dtype}; float32 is needed")
