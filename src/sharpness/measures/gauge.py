"""The balanced gauge: one representative of all weights that give the same attention.

Any A ∈ GL(h) takes (G, H) of a head to (G A⁻¹, H Aᵀ) and leaves the function as it is. With the
thin singular value decomposition G Hᵀ = U S Vᵀ, the representative is G = U √S, H = V √S, so that
GᵀG = HᵀH = S. In it the adaptive definitions with c = √s_j on column j, and |w| elsewhere, agree
with geodesic sharpness in the metric "inv" to first order in ρ. The gauge and this c are ours; the
symmetry and the metrics are da Silva et al.'s (2025). A gauge may be folded, too: see `folding`.
"""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy

import torch
from torch import Tensor, nn

from sharpness.data.batches import Batch, map_tensors, split_batch
from sharpness.io.errors import described
from sharpness.measures.blocks import NotApplicable, Pairs, attention_pairs
from sharpness.measures.folding import fold
from sharpness.measures.network import Network
from sharpness.measures.objective import Loss, Objective
from sharpness.measures.parameters import Parameters

EXAMPLES = 16
"""On which a model and its balanced copy are compared."""
AGREE = 1e-5
"""Largest difference of the logits, relative to the largest, by which balancing may change them."""


def balanced(
    model: nn.Module, parameters: Parameters = "all", folded: bool = False
) -> tuple[nn.Module, Tensor]:
    """Return a copy of ``model`` in the balanced gauge, and its scaling c, (p,).

    ``parameters`` are those that are perturbed, as in ``sharpness``; c is in their order.
    ``folded`` first folds LayerNorms and biases of attention into the next layer; c is 0 where they
    were.

    Raises:
        NotApplicable: if the model has no attention of a known layout; see `blocks`. Layouts that
            look alike, such as rotary positions or normalized queries, are told by
            ``check_same_function``.
    """
    network = Network(model, parameters)
    pairs = attention_pairs(network, folded)
    start, frozen = fold(network) if folded else (network.weights, None)
    weights, spectra = balance(start, pairs)
    with described("copying the model"):
        copy = deepcopy(network.model)
    Network(copy, parameters).move_to(weights)
    return copy, scaling(weights, pairs, spectra, frozen=frozen)


def balance(weights: Tensor, pairs: Sequence[Pairs]) -> tuple[Tensor, list[Tensor]]:
    """Return the balanced weights (p,) and the singular values S, (blocks, h), of each group."""
    moved, spectra = weights.clone(), []
    for pair in pairs:
        G, H, s = _representative(weights[pair.G], weights[pair.H])
        moved[pair.G], moved[pair.H] = G, H
        spectra.append(s)
    return moved, spectra


def _representative(G: Tensor, H: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return U √S, V √S and S of G Hᵀ, computed in float64; the largest entry of U is positive.

    Where h is more than the rows of G or H, columns of zeros fill up.
    """
    lacking = G.shape[-1] - min(G.shape[-2], H.shape[-2], G.shape[-1])
    (Q1, R1), (Q2, R2) = (torch.linalg.qr(part.double()) for part in (G, H))
    U, s, Vt = torch.linalg.svd(R1 @ R2.mT, full_matrices=False)
    U, V, s = (nn.functional.pad(part, (0, lacking)) for part in (Q1 @ U, Q2 @ Vt.mT, s))
    largest = U.gather(-2, U.abs().argmax(dim=-2, keepdim=True))
    root = s.sqrt()[..., None, :] * torch.where(largest < 0, -1.0, 1.0)
    return (U * root).to(G), (V * root).to(G), s.to(G)


def scaling(
    weights: Tensor,
    pairs: Sequence[Pairs],
    spectra: Sequence[Tensor],
    power: float = 0.5,
    frozen: Tensor | None = None,
) -> Tensor:
    """Return c (p,): s_j to ``power`` on column j of each block, |w| elsewhere.

    ½ is the metric "inv", −½ "mix". A column without a singular value never moves: c = 0, as where
    ``frozen``, (p,), is true.
    """
    c = weights.abs()
    if frozen is not None:
        c[frozen] = 0.0
    for pair, s in zip(pairs, spectra, strict=True):
        rank = s > torch.finfo(s.dtype).eps * s.shape[-1] * s.amax(dim=-1, keepdim=True)
        column = torch.where(rank, s, 1.0).pow(power) * rank
        c[pair.G] = column[:, None, :].expand(pair.G.shape)
        c[pair.H] = column[:, None, :].expand(pair.H.shape)
    return c


def check_same_function(
    one: nn.Module, other: nn.Module, batch: Batch, loss: Loss, folded: bool = False
) -> None:
    """Raise NotApplicable unless two models have the same outputs on the first of a batch.

    They are compared in float64: heads that are badly conditioned lose more than ``AGREE`` in the
    rounding of a pass.
    """
    inputs, targets = split_batch(batch, EXAMPLES)[0]
    wide = map_tensors(lambda x: x.double() if x.is_floating_point() else x, inputs)

    def outputs(model: nn.Module) -> Tensor:
        with described("copying the model to float64"):
            network = Network(deepcopy(model).double())
        return next(Objective(network, (wide, targets), loss).outputs())[0]

    before, after = map(outputs, (one, other))
    change = (after - before).abs().max() / before.abs().max()
    if not change <= AGREE:
        norms = "a LayerNorm has gains of 0 or stands elsewhere, or " if folded else ""
        raise NotApplicable(
            f"balancing the attention heads changes the logits by {change:.1e}: {norms}queries and "
            "keys are normalized or rotated, for example, so that heads have no such symmetry"
        )
