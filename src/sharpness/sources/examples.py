"""Examples of the user's own: pictures or tensors in memory, and tokenized sentences."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from PIL import Image
from torch import Tensor

from sharpness.data.batches import Batch, Groups, Inputs, map_tensors
from sharpness.data.photos import stacked
from sharpness.io.errors import UserError
from sharpness.io.files import digest
from sharpness.sources.preparation import ImageInputs


@dataclass(frozen=True, eq=False)
class Pictures:
    """Pictures that are preprocessed batch by batch.

    Attributes:
        open: returns a picture by its place among all pictures.
        places: of the pictures, in order.
        labels: (n,), int64: the model's outputs.
        origin: what identifies the pictures, in JSON; enters the digest.
    """

    title: str
    open: Callable[[int], Image.Image]
    places: Sequence[int]
    labels: Tensor
    inputs: ImageInputs
    origin: Any
    groups: Groups | None = None

    def __len__(self) -> int:
        """Return the number of pictures."""
        return len(self.places)

    def subset(self, index: slice) -> Pictures:
        """Return the pictures at these positions, in this order."""
        return replace(self, places=self.places[index], labels=self.labels[index])

    def batches(self, size: int) -> Iterator[Batch]:
        """Yield inputs (≤ size, c, h, w) float32 and labels; the last batch may be smaller.

        Raises:
            UserError: if a picture cannot be opened or preprocessed.
        """
        for start in range(0, len(self), size):
            part = self.subset(slice(start, start + size))
            yield stacked([self._values(place) for place in part.places], self.title), part.labels

    def _values(self, place: int) -> Any:
        try:
            return self.inputs(self.open(place))
        except (OSError, ValueError) as error:
            raise UserError(f"{self.title}: picture {place}: {error}") from error

    def digest(self) -> str:
        """Return a 16-digit hash of the pictures, labels and preprocessing."""
        return digest([self.origin, list(self.places), self.labels.tolist(), self.inputs.key])


@dataclass(frozen=True, eq=False)
class Tensors:
    """Inputs and labels in memory.

    Attributes:
        inputs: a tensor, or a mapping or tuple of tensors, with n examples along the first axis.
        labels: (n,), int64: the model's outputs.
    """

    title: str
    inputs: Inputs
    labels: Tensor
    groups: Groups | None = None

    def __len__(self) -> int:
        """Return the number of examples."""
        return len(self.labels)

    def subset(self, index: slice | Tensor) -> Tensors:
        """Return the examples at these positions, in this order."""
        inputs = map_tensors(lambda tensor: tensor[index], self.inputs)
        return replace(self, inputs=inputs, labels=self.labels[index])

    def batches(self, size: int) -> Iterator[Batch]:
        """Yield inputs and labels; the last batch may be smaller."""
        for start in range(0, len(self), size):
            part = self.subset(slice(start, start + size))
            yield part.inputs, part.labels

    def digest(self) -> str:
        """Return a 16-digit hash of inputs and labels."""
        state = hashlib.sha256()

        def add(tensor: Tensor) -> Tensor:
            plain = tensor.detach().cpu().contiguous()
            state.update(f"{plain.dtype} {tuple(plain.shape)}".encode())
            state.update(plain.flatten().view(torch.uint8).numpy().tobytes())
            return tensor

        map_tensors(add, (self.inputs, self.labels))
        return state.hexdigest()[:16]


def lengths(inputs: Any) -> set[int]:
    """Return the sizes of the tensors of some inputs along the first axis."""
    found: set[int] = set()

    def add(tensor: Tensor) -> Tensor:
        found.add(len(tensor) if tensor.ndim else 0)
        return tensor

    map_tensors(add, inputs)
    return found


def joined(parts: Sequence[Any], where: str) -> Any:
    """Join inputs of examples or batches along the first axis.

    Raises:
        UserError: which begins with ``where``, if they differ in kind or shape.
    """
    first = parts[0]
    try:
        if isinstance(first, Tensor):
            return torch.cat(list(parts))
        if isinstance(first, Mapping):
            return {key: joined([part[key] for part in parts], where) for key in first}
        if isinstance(first, tuple | list):
            return tuple(joined(inner, where) for inner in zip(*parts, strict=True))
    except (RuntimeError, KeyError, ValueError) as error:
        said = str(error).splitlines()[0]
        raise UserError(
            f"{where}: its examples cannot be joined ({said}); pad them alike"
        ) from error
    raise UserError(f"{where}: its inputs are {type(first).__name__}; they must be tensors")
