"""Relative flatness of the last layer (Petzka et al., 2021), in closed form."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from sharpness.measures.average import combine_batches
from sharpness.measures.blocks import NotApplicable
from sharpness.measures.classes import class_logits
from sharpness.measures.definition import Estimate
from sharpness.measures.measurement import Measurement
from sharpness.measures.objective import Objective
from sharpness.measures.subject import Subject

NEAR = 1e-5
"""Largest difference of a linear layer's outputs from the logits, relative to the largest."""


def relative_flatness(subject: Subject, measurement: Measurement) -> Estimate:
    """Return κ = Σ_{s,s'} ⟨w_s, w_s'⟩ tr H_{s,s'} of the last layer W, of rows w_s.

    H_{s,s'} is the Hessian of the cross-entropy by w_s and w_s'. With φ, (n, d), the inputs of the
    layer and π the probabilities, κ = mean ‖φ‖² (Σ_s π_s ‖w_s‖² − ‖Σ_s π_s w_s‖²): exact, one
    forward pass (the closed form is ours). It does not see the rescaling of all of φ against W, nor
    w_s → w_s + v. With option "normalized", as in the authors' code, φ_i → φ_i / σ_i and
    W_{·i} → W_{·i} σ_i, σ_i the deviation of φ_i over the data, so that it does not see the
    rescaling of single φ_i either.

    Raises:
        NotApplicable: if the logits are not the outputs of a linear layer.
    """
    objectives = subject.objectives()
    layer, W, first = _last_layer(objectives[0])
    found = [first, *(_features(objective, layer) for objective in objectives[1:])]
    sigma = torch.ones_like(W[0])
    if "normalized" in measurement.options:
        sigma = torch.cat([phi for phi, _ in found]).std(dim=0, unbiased=False)
        sigma = torch.where(sigma > 0, sigma, 1.0)  # a feature that never changes
    values = [_kappa(phi / sigma, logits, W * sigma) for phi, logits in found]
    return combine_batches(values, [objective.examples for objective in objectives])


def _kappa(phi: Tensor, logits: Tensor, W: Tensor) -> Tensor:
    """Return the mean over examples, (1,)."""
    pi = logits.softmax(dim=1)
    spread = pi @ W.square().sum(dim=1) - (pi @ W).square().sum(dim=1)
    return (phi.square().sum(dim=1) * spread).mean().reshape(1)


def _last_layer(objective: Objective) -> tuple[nn.Linear, Tensor, tuple[Tensor, Tensor]]:
    """Return the linear layer whose outputs are the logits, its weight in float64, and features."""
    linear = [m for m in objective.network.model.modules() if isinstance(m, nn.Linear)]
    for layer in reversed(linear):
        phi, logits = _features(objective, layer)
        if phi.shape[1:] == (layer.in_features,) and len(phi) == len(logits):
            weight = layer.weight.detach().double()
            bias = 0.0 if layer.bias is None else layer.bias.detach().double()
            found = phi @ weight.T + bias
            near = NEAR * logits.abs().max()
            if found.shape == logits.shape and (found - logits).abs().max() <= near:
                return layer, weight, (phi, logits)
    raise NotApplicable("the logits are not the outputs of a linear layer of the model")


def _features(objective: Objective, layer: nn.Linear) -> tuple[Tensor, Tensor]:
    """Return the layer's last inputs, (n, d), and the logits, (n, K), in float64."""
    phi: list[Tensor] = []
    logits: list[Tensor] = []
    passes = objective.outputs()
    for _ in objective.pieces:
        last: list[Tensor] = []
        # Anew for each pass: a model is restored after it, without the hook.
        handle = layer.register_forward_pre_hook(lambda _, given, to=last: to.append(given[0]))
        try:
            outputs, _targets = next(passes)
        finally:
            handle.remove()
        phi += last[-1:]
        logits.append(class_logits(outputs))
    whole = torch.cat(phi) if phi else torch.empty(0)
    return whole.double(), torch.cat(logits).double()
