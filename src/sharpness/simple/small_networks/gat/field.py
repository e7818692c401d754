"""What a few nodes of a graph see through two layers: their receptive field.

A node's output depends on its neighbours' neighbours at most, so the rest of the graph need not be
computed: of Cora, 1,664 of 2,708 nodes for the training nodes, and a third of the messages.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse import csr_array
from torch import Tensor

from sharpness.data.planetoid import Graph

Nodes = NDArray[np.int64]


@dataclass(frozen=True)
class Messages:
    """Who sends to whom in a layer, self-loops included.

    Attributes:
        source: the sender of each message, as an index into the layer's inputs, (messages,).
        target: the receiver, as an index into the layer's outputs, (messages,).
        own: where each output's own node lies among the inputs, (outputs,).
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
        second: messages of the second layer; its outputs are the nodes in question, in order.
        labels: of these nodes, (nodes,).
    """

    features: csr_array
    first: Messages
    second: Messages
    labels: Tensor


def receptive_field(graph: Graph, nodes: Nodes) -> Field:
    """The receptive field of some nodes.

    Args:
        graph: the whole graph.
        nodes: the nodes whose outputs are wanted, (nodes,), distinct.
    """
    second, middle = _messages(graph, nodes)
    first, outer = _messages(graph, middle)
    labels = torch.from_numpy(graph.labels[nodes])
    return Field(csr_array(graph.features[outer]), first, second, labels)


def _messages(graph: Graph, targets: Nodes) -> tuple[Messages, Nodes]:
    """The messages to some nodes, and the nodes that send them, ascending."""
    loops = np.tile(np.arange(len(graph.labels)), (2, 1))
    source, target = np.concatenate([graph.edges, loops], axis=1)
    place = np.full(len(graph.labels), -1)  # of each node among the targets
    place[targets] = np.arange(len(targets))
    wanted = place[target] >= 0
    senders, index = np.unique(source[wanted], return_inverse=True)
    return Messages(
        source=torch.from_numpy(index),
        target=torch.from_numpy(place[target[wanted]]),
        own=torch.from_numpy(np.searchsorted(senders, targets)),
    ), senders
