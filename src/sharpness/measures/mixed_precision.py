"""Matrix products and convolutions of a backward pass in bfloat16.

Only gradients are coarse. Autocast of the forward pass would round the loss to about 1e-3 of its
value, more than most changes at small radii, and would need another forward pass for the loss.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

aten = torch.ops.aten
PRODUCTS = {
    aten.mm.default,
    aten.addmm.default,
    aten.bmm.default,
    aten.baddbmm.default,
    aten.convolution_backward.default,
}
"""Operations whose factors are rounded to bfloat16; their results have the type of the factors."""
WIDE = (torch.float32, torch.float64)
"""Types of the factors that are rounded."""


class _Products(TorchDispatchMode):
    """Computes `PRODUCTS` of float32 and float64 in bfloat16, and all else as it is."""

    def __torch_dispatch__(
        self,
        operation: Callable[..., Any],
        types: object,
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        kwargs = kwargs or {}
        if operation not in PRODUCTS:
            return operation(*args, **kwargs)
        before = args[0].dtype
        found = operation(*map(_rounded, args), **kwargs)
        if isinstance(found, Tensor):
            return found.to(before)
        return tuple(each if each is None else each.to(before) for each in found)


def _rounded(value: Any) -> Any:
    wide = isinstance(value, Tensor) and value.dtype in WIDE
    return value.to(torch.bfloat16) if wide else value


@contextmanager
def coarse_products(on_gpu: bool) -> Iterator[None]:
    """Compute the products of a backward pass in the block in bfloat16.

    On a GPU TF32 is allowed for what remains in float32, such as fused attention.
    """
    before = torch.get_float32_matmul_precision()
    if on_gpu:
        torch.set_float32_matmul_precision("high")
    try:
        with _Products():
            yield
    finally:
        if on_gpu:
            torch.set_float32_matmul_precision(before)
