"""Name tables: a publisher's arrays and a network's tensors, one line for each.

An entry says where an array of the file belongs, and how its axes are ordered there. The way back
follows from it, so a table that reads a format also writes it.
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

    Entries with the same place are its parts, one below the other in the table's order.

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
        """Upstream's sizes in our order of axes."""
        return tuple(self.upstream_shape[axis] for axis in self.axes or self._kept)

    @property
    def _kept(self) -> tuple[int, ...]:
        return tuple(range(len(self.upstream_shape)))

    @property
    def ours_shape(self) -> tuple[int, ...]:
        """The shape in the network."""
        return self._ordered if self.shape is None else self.shape

    def forward(self, array: Array) -> Array:
        """From the file's (upstream_shape) to the network's (ours_shape)."""
        return array.transpose(self.axes or self._kept).reshape(self.ours_shape)

    def backward(self, array: Array) -> Array:
        """From the network's (ours_shape) to the file's (upstream_shape)."""
        back = np.argsort(self.axes or self._kept)
        return array.reshape(self._ordered).transpose(back)


def apply(
    entries: Sequence[WeightEntry],
    arrays: Mapping[str, Array],
    source: str,
    extras: Collection[str] = (),
) -> dict[str, Array]:
    """The tensors of a network from the arrays of a file, strict both ways.

    Args:
        entries: the name table.
        arrays: what the file holds.
        source: what to call the file in a message.
        extras: names that the file may hold beside the table's; they are dropped.

    Returns:
        Contiguous float32 arrays by the network's names, in the table's order.

    Raises:
        UserError: naming the file and the array that is missing, left over, or of another shape or
            type than the table's.
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


def invert(entries: Sequence[WeightEntry], weights: Mapping[str, Array]) -> dict[str, Array]:
    """The arrays of a file from the tensors of a network: ``apply`` backwards.

    Args:
        entries: the name table.
        weights: float32 arrays by the network's names.

    Returns:
        Contiguous float32 arrays by the publisher's names, in the table's order.

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
    """The entries of each of the network's tensors."""
    places: dict[str, list[WeightEntry]] = {}
    for entry in entries:
        places.setdefault(entry.ours, []).append(entry)
    return places


def _check(array: Array, name: str, shape: tuple[int, ...], source: str) -> None:
    """Refuse an array that is not float32 of the right shape."""
    if array.shape != shape:
        raise UserError(f"{source}: array {name} has shape {array.shape}; {shape} is needed")
    if array.dtype != np.float32:
        raise UserError(f"{source}: array {name} holds {array.dtype}; float32 is needed")
