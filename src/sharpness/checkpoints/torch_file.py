"""PyTorch files read and written as plain arrays; nothing in them is executed."""

from __future__ import annotations

import pickle
import re
import warnings
import zipfile
from collections import OrderedDict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from sharpness.checkpoints.weight_map import Array
from sharpness.io.errors import UserError
from sharpness.io.files import atomic


def read_tensors(path: str | Path, inside: str | None = None) -> dict[str, Array]:
    """Read the tensors of a file that ``torch.save`` made, by name.

    Large files are memory-mapped, so only what is used is read. The file holds a state dict or, if
    ``inside`` is given, a dict with a state dict under that key.

    Raises:
        UserError: if the file is absent, broken, or holds anything but a dict of tensors.
    """
    if not Path(path).is_file():
        raise UserError(f"{path}: no such file")
    value = load_safely(path)
    if inside is not None:
        if not isinstance(value, Mapping) or inside not in value:
            raise UserError(f"{path}: holds no dict with the key {inside!r}; wrong format?")
        value = value[inside]
    if not isinstance(value, Mapping):
        raise UserError(
            f"{path}: holds a {type(value).__name__}, not tensors by name; wrong format?"
        )
    if not all(isinstance(name, str) for name in value):
        raise UserError(f"{path}: holds tensors without names; wrong format?")
    _check_storage(value, path)
    return {name: _array(tensor, f"{path}: {name}") for name, tensor in value.items()}


def write_tensors(path: str | Path, arrays: Mapping[str, Array]) -> None:
    """Write a state dict as ``torch.save`` does, atomically; equal input gives equal bytes."""
    import torch

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # read-only arrays; the tensors are not written to
        tensors = OrderedDict((name, torch.from_numpy(array)) for name, array in arrays.items())
    with atomic(path) as temporary, open(temporary, "wb") as stream:
        torch.save(tensors, stream)  # given a path, it would write the file's name into the file


def load_safely(path: str | Path) -> Any:
    """Return what ``torch.save`` wrote into a file; nothing in it is executed.

    Raises:
        UserError: if the file is broken, or holds more than tensors and plain values.
    """
    import torch

    try:
        mapped = zipfile.is_zipfile(path)  # files from before torch 1.6 are not
        if mapped:
            _check_parts(path)
        return torch.load(path, map_location="cpu", weights_only=True, mmap=mapped)
    except UserError:
        raise
    except pickle.UnpicklingError as error:
        asked = re.search(r"GLOBAL ([\w.]+)", str(error))
        what = f"asks for {asked[1]}" if asked else "holds more than tensors, or is broken"
        raise UserError(f"{path}: refused, its pickle {what}") from error
    except Exception as error:  # a damaged file may raise anything
        words = str(error) or type(error).__name__
        reason = re.split(r"\n|\. ", words)[0]  # the rest is advice to trust the file
        raise UserError(f"{path}: is no whole PyTorch file ({reason}); fetch it again") from error


def _check_parts(path: str | Path) -> None:
    """Raise UserError if an archive unpacks to more bytes than it has: PyTorch never compresses."""
    with zipfile.ZipFile(path) as archive:
        claimed = sum(part.file_size for part in archive.infolist())
    if claimed > Path(path).stat().st_size:
        raise UserError(
            f"{path}: claims to hold {claimed} bytes; PyTorch does not write such files"
        )


def _check_storage(tensors: Mapping[str, Any], path: str | Path) -> None:
    """Raise UserError if the tensors take more memory than the file has bytes."""
    import torch

    plain = [
        t for t in tensors.values() if isinstance(t, torch.Tensor) and t.layout is torch.strided
    ]
    storages = {t.untyped_storage().data_ptr(): t.untyped_storage().nbytes() for t in plain}
    if sum(storages.values()) > Path(path).stat().st_size:
        raise UserError(f"{path}: claims more bytes of tensors than it holds; fetch it again")


def _array(tensor: Any, where: str) -> Array:
    """Return a tensor as an array that shares its memory."""
    try:
        array = tensor.detach().numpy()
    except (AttributeError, RuntimeError, TypeError) as error:
        what = getattr(tensor, "dtype", type(tensor).__name__)
        raise UserError(f"{where} is {what}, not a plain tensor; wrong format?") from error
    assert isinstance(array, np.ndarray)
    return array
