"""A stack of fully connected networks 10-64-64-1 and their loss."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import elu, relu

from sharpness.simple.small_networks.ascent import Weights
from sharpness.simple.small_networks.fcnn.procedure import Procedure
from sharpness.simple.small_networks.fcnn.task import Batch

WIDTHS = (10, 64, 64, 1)
LAYERS = len(WIDTHS) - 1


def initial(procedure: Procedure, generators: Sequence[np.random.Generator]) -> Weights:
    """The weights of a stack before training: W1 (M, 10, 64), b1 (M, 1, 64), W2, b2, W3, b3.

    Args:
        procedure: which initialisation.
        generators: one per model.
    """
    weights = {}
    for layer, (i, o) in enumerate(pairwise(WIDTHS), start=1):
        torch_like = procedure.initial_weights == "torch"
        bound = 1 / math.sqrt(i) if torch_like else math.sqrt(6 / (i + o))
        weights[f"W{layer}"] = _uniform(bound, (i, o), generators)
        weights[f"b{layer}"] = _uniform(bound if torch_like else 0, (1, o), generators)
    return weights


def outputs(weights: Weights, inputs: Tensor, procedure: Procedure) -> Tensor:
    """What each model says of its inputs.

    Args:
        weights: of M models.
        inputs: (M, examples, 10).
        procedure: which activation, and where.

    Returns:
        (M, examples).
    """
    activation = relu if procedure.activation == "relu" else elu
    x = inputs
    for layer in range(1, LAYERS + 1):
        x = torch.baddbmm(weights[f"b{layer}"], x, weights[f"W{layer}"])
        if layer < LAYERS or procedure.activated_output:
            x = activation(x)
    return x.squeeze(2)


def mean_squared_error(weights: Weights, batch: Batch, procedure: Procedure) -> Tensor:
    """The loss of each model on its examples, (M,)."""
    inputs, labels = batch
    return (outputs(weights, inputs, procedure) - labels).square().mean(dim=1)


def _uniform(
    bound: float, shape: tuple[int, int], generators: Sequence[np.random.Generator]
) -> Tensor:
    """U(−bound, bound) for each model, (M, *shape), float32."""
    drawn = np.stack([generator.uniform(-bound, bound, shape) for generator in generators])
    return torch.from_numpy(drawn).float()
