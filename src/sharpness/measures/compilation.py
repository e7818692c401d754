"""Compiled passes of a model, with the products of the backward pass in bfloat16 where wanted.

``mixed_precision`` sees the operations of a backward pass as they are called. Compiled ones are
called no more by name, so their graph is rewritten instead.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import nn
from torch._inductor.custom_graph_pass import CustomGraphPass, get_hash_for_files
from torch.fx import Graph, Node

from sharpness.measures import mixed_precision
from sharpness.measures.mixed_precision import PRODUCTS, WIDE

convert = torch.ops.prims.convert_element_type.default
TANGENTS = "tangents"
"""Name, but for its number, of each input of a joint graph that only the backward pass reads."""


def compiled(model: nn.Module, on_gpu: bool, mixed: bool) -> Callable[..., Any]:
    """Return the model with passes that are compiled for each shape of inputs.

    On a GPU they are CUDA graphs, so that a step is not launched kernel by kernel. ``mixed`` has
    the products of the backward pass in bfloat16.
    """
    options: dict[str, Any] = {"triton.cudagraphs": on_gpu}
    if mixed:
        options["joint_custom_pre_pass"] = CoarseProducts()
    return torch.compile(model, dynamic=False, options=options)


class CoarseProducts(CustomGraphPass):
    """Rounds the factors of `PRODUCTS` to bfloat16 where they belong to the backward pass."""

    def __call__(self, graph: Graph) -> None:
        """Rewrite a graph that joins a forward and a backward pass."""
        backward: set[Node] = set()
        for node in list(graph.nodes):
            begins = node.op == "placeholder" and node.name.startswith(TANGENTS)
            if not begins and backward.isdisjoint(node.all_input_nodes):
                continue
            backward.add(node)
            if node.target in PRODUCTS and _is_wide(node.args[0]):
                backward.update(_round_factors(graph, node))

    def uuid(self) -> Any:
        """Return what tells stored graphs of this pass from those of another."""
        return get_hash_for_files((__file__, mixed_precision.__file__))


def _is_wide(value: Any) -> bool:
    return isinstance(value, Node) and value.meta["val"].dtype in WIDE


def _round_factors(graph: Graph, product: Node) -> list[Node]:
    """Have a product take bfloat16 and give what it gave; return the nodes that this adds."""
    before = product.args[0].meta["val"].dtype  # type: ignore[union-attr]
    with graph.inserting_before(product):
        factors = {
            x: _converted(graph, x, torch.bfloat16) for x in product.all_input_nodes if _is_wide(x)
        }
    for x, rounded in factors.items():
        product.replace_input_with(x, rounded)
    several = isinstance(product.meta["val"], tuple | list)
    results = [user for user in product.users if user.target is operator.getitem]
    added = [*factors.values()]
    for result in results if several else [product]:
        result.meta["val"] = result.meta["val"].to(torch.bfloat16)
        with graph.inserting_after(result):
            widened = _converted(graph, result, before)
        result.replace_all_uses_with(widened, partial(operator.is_not, widened))
        added.append(widened)
    return added


def _converted(graph: Graph, x: Node, dtype: torch.dtype) -> Node:
    node = graph.call_function(convert, (x, dtype))
    node.meta["val"] = x.meta["val"].to(dtype)
    return node
