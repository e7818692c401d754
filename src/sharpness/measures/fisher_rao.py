"""Fisher–Rao norm wᵀFw (Liang et al., 2019), and the trace of F by drawn labels."""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from sharpness.measures.ball import noise_generator
from sharpness.measures.classes import class_logits
from sharpness.measures.definition import Estimate
from sharpness.measures.hessian import twice_differentiable
from sharpness.measures.measurement import Measurement
from sharpness.measures.objective import Objective
from sharpness.measures.subject import Subject, mean_over

DRAWS = 10
"""Labels drawn for each example."""


def fisher_rao(subject: Subject, _: Measurement) -> Estimate:
    """Return wᵀFw = mean Var_{k∼π}((Jw)_k), F the Fisher matrix of a softmax classifier.

    Jw, (n, K), is the derivative of the logits along the weights. It does not see any linear
    symmetry of the weights. Of a ReLU network of ℓ layers without biases it is ℓ² mean Var_π(z).

    Jw is taken as the derivative, by u, of ⟨Jᵀu, w⟩: two backward passes, 6 forward ones, which is
    exact for every layer that has second derivatives, however the model holds its weights.
    """
    return mean_over(subject.objectives(gradient=True), lambda objective, _: _variance(objective))


@torch.enable_grad()
def _variance(objective: Objective) -> float:
    """Return the sum over the pieces of Var_π((Jw)_k), over the examples of the batch."""
    network, total = objective.network, 0.0
    for inputs, _ in objective.pieces:
        with twice_differentiable(), network.at(network.weights) as outputs_of:
            logits = class_logits(outputs_of(inputs))
            u = torch.zeros_like(logits, requires_grad=True)
            slope = network.gradient((logits * u).sum(), twice=True)
            (Jw,) = torch.autograd.grad(slope @ network.weights, u)
            pi = logits.detach().softmax(dim=1)
        mean = (pi * Jw).sum(dim=1, keepdim=True)
        total += float((pi * (Jw - mean).square()).sum(dtype=torch.float64))
    return total / objective.examples


def fisher_trace(subject: Subject, measurement: Measurement) -> Estimate:
    """Return tr(F ⊙ ccᵀ) = m E ‖c ⊙ ∇L(ŷ)‖², with labels ŷ ∼ π drawn for a whole batch of m.

    The scores have mean zero, so products of different examples cancel: no gradients of single
    examples are needed. Each of ``DRAWS`` draws costs one gradient.
    """
    objectives, c = subject.scaled(measurement.options)
    return mean_over(objectives, partial(_squared_scores, c=c, seed=subject.seed))


def _squared_scores(objective: Objective, number: int, *, c: Tensor, seed: int) -> Tensor:
    """Return m ‖c ⊙ ∇L(ŷ)‖² for each draw of labels, (draws,)."""
    network, (inputs, _) = objective.network, objective.whole
    pi = torch.cat([class_logits(z) for z, _ in objective.outputs()]).softmax(dim=1)
    micro_batch = len(objective.pieces[0][1])
    found = []
    for draw in range(DRAWS):
        generator = noise_generator(pi.device, seed, number, draw)
        labels = pi.multinomial(1, generator=generator).squeeze(1)
        drawn = Objective(network, (inputs, labels), cross_entropy, micro_batch)
        _, gradient = drawn.loss_and_gradient(network.weights, None)
        found.append(len(labels) * float((c * gradient).square().sum(dtype=torch.float64)))
    return torch.tensor(found, dtype=torch.float64)
