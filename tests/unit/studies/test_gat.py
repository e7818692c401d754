"""The GAT of Hammoud et al. (2023): the layer, its training, both measures."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from small_data import NODES, TOPICS, WORDS, generators, papers
from torch import Tensor
from torch.nn.functional import elu, leaky_relu
from toys import normal

from sharpness.data.small import Graph
from sharpness.studies.hammoud.gat import (
    Dropout,
    Field,
    cross_entropy,
    draw_nodes,
    gat_initial,
    gat_outputs,
    receptive_field,
)
from sharpness.studies.hammoud.gat_models import gat_sharpness, train_gat
from sharpness.studies.hammoud.procedures import GAT, GatProcedure
from sharpness.studies.hammoud.stacks import Purpose, Weights

TEXT, CODE = GAT["text"], GAT["code"]


def stack(models: int) -> Weights:
    """Weights in float64, none of them zero."""
    weights = gat_initial(WORDS, TOPICS, generators(models, Purpose.WEIGHTS))
    return {
        n: w.double() + 0.1 * normal(*w.shape, seed=i) for i, (n, w) in enumerate(weights.items())
    }


def dense(weights: Weights, k: int, graph: Graph) -> Tensor:
    """The logits of all nodes by model k, (nodes, classes), with all pairs of nodes."""
    linked = torch.eye(len(graph.labels), dtype=torch.bool)
    linked[graph.edges[1], graph.edges[0]] = True
    h = torch.from_numpy(graph.features).double()
    for layer in (1, 2):
        h = h @ weights[f"W{layer}"][k]
        vector = torch.cat([weights[f"target_{layer}"][k], weights[f"source_{layer}"][k]])
        pairs = torch.cat(
            [h[:, None].expand(-1, len(h), -1), h[None].expand(len(h), -1, -1)], dim=2
        )
        scores = leaky_relu(pairs @ vector, 0.2).masked_fill(~linked, -torch.inf)
        h = scores.softmax(dim=1) @ h + weights[f"bias_{layer}"][k]
        h = elu(h) if layer == 1 else h
    return h


@pytest.mark.parametrize("factor", [1, 30])
def test_outputs_are_those_of_dense_attention(factor: int) -> None:
    """Also where the scores are too great for exp."""
    graph, weights = papers(), {name: factor * w for name, w in stack(2).items()}
    for wanted in (np.array([5, 3, 199, 17]), np.arange(NODES)):
        field = receptive_field(graph, wanted)
        found = gat_outputs(weights, field)
        assert field.labels.tolist() == graph.labels[wanted].tolist()
        for k in range(2):
            torch.testing.assert_close(found[:, k], dense(weights, k, graph)[wanted])


def test_gradients_are_those_of_dense_attention() -> None:
    graph, weights = papers(), stack(2)
    field = receptive_field(graph, graph.train)
    shares = torch.rand(2, 70, generator=torch.Generator().manual_seed(0)).double()
    leaves = {name: w.requires_grad_() for name, w in weights.items()}
    logits = torch.stack([dense(leaves, k, graph)[graph.train] for k in range(2)])
    right = torch.from_numpy(graph.labels[graph.train]).expand(2, -1)[:, :, None]
    expected = -(shares * logits.log_softmax(2).gather(2, right).squeeze(2)).sum(1)
    losses = cross_entropy(leaves, field, shares)
    torch.testing.assert_close(losses, expected)
    ours = torch.autograd.grad(losses.sum(), list(leaves.values()))
    theirs = torch.autograd.grad(expected.sum(), list(leaves.values()))
    for a, b in zip(ours, theirs, strict=True):
        torch.testing.assert_close(a, b)


def test_a_receptive_field_holds_what_is_needed_and_no_more() -> None:
    graph = papers()
    field = receptive_field(graph, graph.train[:2])
    near = np.eye(NODES, dtype=bool)
    near[graph.edges[0], graph.edges[1]] = True
    middle = near[graph.train[:2]].any(axis=0)
    assert len(field.second.source) == near[graph.train[:2]].sum()
    assert len(field.first.source) == near[middle].sum()
    assert field.features.shape == (near[middle].any(axis=0).sum(), WORDS)


def test_initial_weights() -> None:
    weights = gat_initial(1433, 7, generators(20, Purpose.WEIGHTS))
    squares = {"W1": 6 / 1441, "source_1": 6 / 9, "target_1": 6 / 9}
    squares |= {"W2": 6 / 15, "source_2": 6 / 8, "target_2": 6 / 8}
    for name, square in squares.items():
        assert 0.97 * square**0.5 < weights[name].abs().max() <= square**0.5
    assert not weights["bias_1"].any()


def test_dropout_drops_six_in_ten_and_keeps_the_mean() -> None:
    dropped = Dropout(generators(2, Purpose.DROPOUT))(torch.ones(500, 2, 20))
    assert set(dropped.unique().tolist()) == {0.0, 2.5}
    assert dropped.mean().item() == pytest.approx(1, abs=0.03)
    assert not torch.equal(dropped[:, 0], dropped[:, 1])
    alone = Dropout(generators([1], Purpose.DROPOUT))(torch.ones(500, 1, 20))
    assert torch.equal(alone[:, 0], dropped[:, 1])


def test_dropout_is_of_the_hidden_units_and_of_both_attentions() -> None:
    sizes: list[tuple[int, ...]] = []

    class Watched(Dropout):
        def __call__(self, x: Tensor) -> Tensor:
            sizes.append(tuple(x.shape))
            return super().__call__(x)

    graph = papers()
    field = receptive_field(graph, graph.train)
    gat_outputs(stack(2), field, Watched(generators(2, Purpose.DROPOUT)))
    first, second = field.first, field.second
    assert sizes == [(len(first.source), 2), (len(first.own), 2, 8), (len(second.source), 2)]


def test_drawn_batches_count_duplicates_or_do_not() -> None:
    streams = (generators(2, Purpose.MEASURE) for _ in range(2))
    twice, once = (
        draw_nodes(140, s, duplicates=d) for s, d in zip(streams, (True, False), strict=True)
    )
    assert torch.equal(twice > 0, once > 0)
    torch.testing.assert_close((twice * 64).sum(dim=1), torch.full((2,), 64.0))
    assert (twice * 64).round().unique().tolist()[:3] == [0, 1, 2]
    assert all(shares.unique().tolist()[1:] == [1 / (shares > 0).sum()] for shares in once)


def trained(field: Field, procedure: GatProcedure, models: int | list[int]) -> tuple[Weights, Any]:
    weights = gat_initial(WORDS, TOPICS, generators(models, Purpose.WEIGHTS))
    streams = generators(models, Purpose.ORDER), generators(models, Purpose.DROPOUT)
    return train_gat(field, procedure, weights, *streams)


def test_training_is_torchs_own_sgd() -> None:
    graph = papers()
    field = receptive_field(graph, graph.train)
    weights, (epochs,) = trained(field, TEXT, 1)
    start = gat_initial(WORDS, TOPICS, generators(1, Purpose.WEIGHTS))
    leaves = {name: w.requires_grad_() for name, w in start.items()}
    optimiser = torch.optim.SGD(leaves.values(), lr=0.236)
    (order,), drops = generators(1, Purpose.ORDER), Dropout(generators(1, Purpose.DROPOUT))
    for _ in range(epochs):
        permutation = torch.from_numpy(order.permutation(70))
        for rows in (permutation[:64], permutation[64:]):
            optimiser.zero_grad()
            logits = gat_outputs(leaves, field, drops)[rows, 0]
            torch.nn.functional.cross_entropy(logits, field.labels[rows]).backward()
            optimiser.step()
    for name, w in leaves.items():
        torch.testing.assert_close(w.detach(), weights[name], rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("dropout_on", [False, True])
def test_the_notebooks_measure(dropout_on: bool) -> None:
    graph = papers()
    field = receptive_field(graph, graph.train)
    procedure = replace(CODE, dropout_in_measure=dropout_on)
    centre, _ = trained(field, procedure, 1)
    streams = generators(1, Purpose.MEASURE), generators(1, Purpose.DROPOUT)
    found = gat_sharpness(field, procedure, centre, *streams)

    (draws,), drops = generators(1, Purpose.MEASURE), generators(1, Purpose.DROPOUT)
    dropout = Dropout(drops) if dropout_on else None

    def loss(weights: Weights, rows: Tensor) -> Tensor:
        logits = gat_outputs(weights, field, dropout)[rows, 0]
        return torch.nn.functional.cross_entropy(logits, field.labels[rows])

    def whole(weights: Weights) -> float:
        order = torch.from_numpy(draws.permutation(70))
        return sum(loss(weights, rows).item() for rows in (order[:64], order[64:]))

    start, tops = whole(centre), []
    for _ in range(5):
        rows = torch.from_numpy(np.unique(draws.integers(70, size=64)))
        at = {name: w.clone().requires_grad_() for name, w in centre.items()}
        values = []
        for _ in range(5):
            gradients = torch.autograd.grad(loss(at, rows), list(at.values()))
            for (name, w), gradient in zip(at.items(), gradients, strict=True):
                delta = (w.detach() + 0.236 * gradient - centre[name]) / centre[name].abs()
                delta = torch.nan_to_num(delta).clamp(-0.02, 0.02)
                at[name] = (centre[name] + delta * centre[name].abs()).requires_grad_()
            values.append(whole(at))
        tops.append(max(values))
    assert found.item() == pytest.approx(np.mean(tops) - start, rel=1e-3)
