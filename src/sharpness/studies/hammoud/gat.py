"""Graph attention networks on Cora: receptive fields, batches, dropout, a stack of M networks.

A node's output depends only on its neighbours and their neighbours, so the rest of the graph is
left out: for Cora's training nodes, 1,664 of 2,708 nodes and a third of the messages remain.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse import csr_array
from torch import Tensor
from torch.nn.functional import elu, leaky_relu, log_softmax

from sharpness.data.small import Graph
from sharpness.studies.hammoud.stacks import Generators, Weights, uniform

Nodes = NDArray[np.int64]


@dataclass(frozen=True)
class Messages:
    """Edges from senders to receivers in a layer, self-loops included.

    Attributes:
        source: index of each message's sender in the layer's inputs, (messages,).
        target: index of its receiver in the layer's outputs, (messages,).
        own: index of each output's own node in the inputs, (outputs,).
    """

    source: Tensor
    target: Tensor
    own: Tensor


@dataclass(frozen=True)
class Field:
    """The part of a graph on which the outputs of some nodes depend.

    Attributes:
        features: words of the first layer's input nodes, (inputs, words).
        first: messages of the first layer.
        second: messages of the second layer, whose outputs are those nodes, in order.
        labels: of those nodes, (nodes,).
    """

    features: csr_array
    first: Messages
    second: Messages
    labels: Tensor


def receptive_field(graph: Graph, nodes: Nodes) -> Field:
    """Return the part of the graph on which the outputs of distinct ``nodes``, (nodes,), depend."""
    second, middle = _messages(graph, nodes)
    first, outer = _messages(graph, middle)
    labels = torch.from_numpy(graph.labels[nodes])
    return Field(csr_array(graph.features[outer]), first, second, labels)


def _messages(graph: Graph, targets: Nodes) -> tuple[Messages, Nodes]:
    """Return the messages to some nodes, and the nodes that send them, ascending."""
    loops = np.tile(np.arange(len(graph.labels)), (2, 1))
    source, target = np.concatenate([graph.edges, loops], axis=1)
    place = np.full(len(graph.labels), -1)  # index of each node in the targets
    place[targets] = np.arange(len(targets))
    wanted = place[target] >= 0
    senders, index = np.unique(source[wanted], return_inverse=True)
    return Messages(
        source=torch.from_numpy(index),
        target=torch.from_numpy(place[target[wanted]]),
        own=torch.from_numpy(np.searchsorted(senders, targets)),
    ), senders


BATCH = 64


def gat_epoch(nodes: int, generators: Generators) -> Iterator[Tensor]:
    """Yield batches of 64 nodes that cover all nodes once, in each model's own order.

    A batch is an array (M, nodes) of shares: the weight of each node in each model's loss.
    """
    orders = np.stack([generator.permutation(nodes) for generator in generators])
    for start in range(0, nodes, BATCH):
        chosen = torch.from_numpy(orders[:, start : start + BATCH])
        yield torch.zeros(orders.shape).scatter(1, chosen, 1 / chosen.shape[1])


def draw_nodes(nodes: int, generators: Generators, *, duplicates: bool = True) -> Tensor:
    """Draw 64 nodes for each model, with replacement, and return their shares, (M, nodes).

    A share is a node's weight in the loss; with ``duplicates``, a node drawn twice counts twice.
    """
    counts = np.stack(
        [np.bincount(g.integers(nodes, size=BATCH), minlength=nodes) for g in generators]
    )
    if not duplicates:
        counts = counts.astype(bool)
    return torch.from_numpy(counts / counts.sum(axis=1, keepdims=True)).float()


RATE = 0.6


class Dropout:
    """Dropout: sets each element to zero with probability 0.6 and divides the others by 0.4."""

    def __init__(self, generators: Generators) -> None:
        """Draw from these generators, one per model."""
        self._generators = generators

    def __call__(self, x: Tensor) -> Tensor:
        """Apply dropout to x, (rows, M, ...), with new draws."""
        shape = (x.shape[0], *x.shape[2:])
        uniform = np.stack([g.random(shape, dtype=np.float32) for g in self._generators], axis=1)
        return x * (torch.from_numpy(uniform) >= RATE) / (1 - RATE)


HIDDEN = 8
SLOPE = 0.2  # of the leaky ReLU for negative inputs


def gat_initial(words: int, classes: int, generators: Generators) -> Weights:
    """Draw the initial weights of a stack: Xavier-uniform, biases zero.

    For each layer i: Wi (M, in, out); the two halves of the attention vector, source_i and target_i
    (M, out), each drawn as a matrix of one row; bias_i (M, out). ``words`` is the number of a
    node's features.
    """
    weights = {}
    for layer, (i, o) in enumerate([(words, HIDDEN), (HIDDEN, classes)], start=1):
        weights[f"W{layer}"] = _xavier((i, o), generators)
        weights[f"source_{layer}"] = _xavier((1, o), generators).squeeze(1)
        weights[f"target_{layer}"] = _xavier((1, o), generators).squeeze(1)
        weights[f"bias_{layer}"] = torch.zeros(len(generators), o)
    return weights


def gat_outputs(weights: Weights, field: Field, dropout: Dropout | None = None) -> Tensor:
    """Return the logits of a field's nodes, (nodes, M, classes).

    ``dropout`` acts on the attention of both layers and on the hidden units; None is eval mode.
    """
    models, words, _ = weights["W1"].shape
    columns = weights["W1"].permute(1, 0, 2).reshape(words, models * HIDDEN)
    h = _SparseProduct.apply(columns, field.features).view(-1, models, HIDDEN)
    h = elu(_attention(h, weights, 1, field.first, dropout))
    if dropout is not None:
        h = dropout(h)
    h = torch.einsum("nmi,mio->nmo", h, weights["W2"])
    return _attention(h, weights, 2, field.second, dropout)


def cross_entropy(
    weights: Weights, field: Field, shares: Tensor, dropout: Dropout | None = None
) -> Tensor:
    """Return the loss of each model, (M,): Σᵢ shareᵢ · (−log p(labelᵢ)), shares (M, nodes)."""
    logits = gat_outputs(weights, field, dropout)
    labels = field.labels[:, None, None].expand(-1, logits.shape[1], 1)
    likelihood = log_softmax(logits, dim=2).gather(2, labels).squeeze(2)  # (nodes, M)
    return -(shares.T * likelihood).sum(dim=0)


def _attention(
    h: Tensor, weights: Weights, layer: int, messages: Messages, dropout: Dropout | None
) -> Tensor:
    """Return a layer's Σⱼ αᵢⱼ hⱼ + bias (Veličković et al., 2018, Eqs. 1-4), (outputs, M, out).

    h = W x are the transformed inputs, (inputs, M, out); α is the softmax over a node's messages of
    LeakyReLU(a_source·hⱼ + a_target·hᵢ).
    """
    source, target = messages.source, messages.target
    sent = (h * weights[f"source_{layer}"]).sum(dim=2).index_select(0, source)
    received = (h * weights[f"target_{layer}"]).sum(dim=2).index_select(0, messages.own)
    alpha = _softmax(leaky_relu(sent + received.index_select(0, target), SLOPE), messages)
    if dropout is not None:
        alpha = dropout(alpha)
    mixed = h.new_zeros(len(messages.own), *h.shape[1:])
    mixed = mixed.index_add(0, target, alpha[:, :, None] * h.index_select(0, source))
    return mixed + weights[f"bias_{layer}"]


def _softmax(scores: Tensor, messages: Messages) -> Tensor:
    """Return the softmax of scores (messages, M) over the messages to each node."""
    target = messages.target
    zeros = scores.new_zeros(len(messages.own), scores.shape[1])
    index = target[:, None].expand_as(scores)
    top = zeros.scatter_reduce(0, index, scores.detach(), "amax", include_self=False)
    weight = (scores - top.index_select(0, target)).exp()
    return weight / zeros.index_add(0, target, weight).index_select(0, target)


class _SparseProduct(torch.autograd.Function):
    """X W for a sparse constant X, differentiable by W; SciPy's product is faster on a CPU."""

    @staticmethod
    def forward(ctx: Any, w: Tensor, x: csr_array) -> Tensor:
        ctx.x = x
        return torch.from_numpy(x @ w.detach().numpy())

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        return torch.from_numpy(ctx.x.T @ gradient.numpy()), None


def _xavier(shape: tuple[int, int], generators: Generators) -> Tensor:
    """Draw U(−b, b) with b = √(6 / (rows + columns)) for each model, (M, *shape), float32."""
    return uniform(math.sqrt(6 / sum(shape)), shape, generators)
