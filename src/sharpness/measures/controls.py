"""Controls: what predicts generalization without any geometry of the loss.

No rank correlation of a sharpness can be read without theirs. Numbers are those of Jiang et al.
(2020).
"""

from __future__ import annotations

import torch
from torch import Tensor

from sharpness.io.errors import UserError
from sharpness.measures.arguments import check_kind
from sharpness.measures.blocks import NotApplicable
from sharpness.measures.classes import margins
from sharpness.measures.definition import Estimate
from sharpness.measures.measurement import Measurement
from sharpness.measures.subject import Subject, mean_over, one_value

QUANTILE = 0.1
"""Of the margins, as in Jiang et al."""


def training_loss(subject: Subject, _: Measurement) -> Estimate:
    """Return the mean loss on the points."""
    return mean_over(subject.objectives(), lambda objective, _: objective.unperturbed(None))


def margin(subject: Subject, _: Measurement) -> Estimate:
    """Return γ, the 10th percentile of z_y − max of the other logits (of #22: 1/γ²)."""
    return one_value(margin_of(subject))


def margin_of(subject: Subject) -> Tensor:
    """Return γ; negative if more than a tenth of the points are misclassified."""
    pieces = (piece for objective in subject.objectives() for piece in objective.outputs())
    found = [margins(*piece) for piece in pieces]
    return torch.cat(found).double().quantile(QUANTILE)


def parameter_count(subject: Subject, _: Measurement) -> Estimate:
    """Return the number of weights (#20)."""
    return one_value(len(subject.network.weights))


def weight_norm(subject: Subject, _: Measurement) -> Estimate:
    """Return ‖w‖₂ over all weights, biases and norms included."""
    return one_value(subject.network.weights.double().norm())


def initial_distance(subject: Subject, _: Measurement) -> Estimate:
    """Return ‖w − w₀‖₂ from the initial weights, for fine-tuned models the pretrained ones.

    Raises:
        NotApplicable: if they are not known, or if a parameter has another shape there.
    """
    total = torch.zeros((), dtype=torch.float64)
    named = dict(subject.network.model.named_parameters())
    for name, w in named.items():
        total += (w.detach().double().cpu() - initial(subject, name, w)).square().sum()
    return one_value(total.sqrt())


def initial(subject: Subject, name: str, like: Tensor) -> Tensor:
    """Return the initial value of a parameter, in float64.

    Raises:
        NotApplicable: if it is not known, or of another shape.
        UserError: if it is not finite, or no tensor.
    """
    if subject.initial is None:
        raise NotApplicable("the initial weights are not known")
    found = subject.initial.get(name)
    if found is None or found.shape != like.shape:
        raise NotApplicable(f"the initial weights lack {name!r}, {tuple(like.shape)}")
    check_kind(f"the initial value of {name!r}", found, Tensor, "a tensor")
    if not found.isfinite().all():
        raise UserError(f"the initial value of {name!r} is not finite; get these weights anew")
    return found.double().cpu()


def path_norm(subject: Subject, _: Measurement) -> Estimate:
    """Return the output sum of the network with squared weights on an all-ones input (#44).

    For a ReLU network without biases it sums the squares of the products of weights along all
    paths. With LayerNorm or attention it means nothing, though it has a value.
    """
    network = subject.network
    inputs, _targets = subject.objectives()[0].pieces[0]
    if not isinstance(inputs, Tensor) or not inputs.is_floating_point():
        raise NotApplicable("the inputs are no tensor of numbers, so none has ones")
    with torch.no_grad(), network.at(network.weights.square(), coarse=True) as outputs_of:
        found = outputs_of(torch.ones_like(inputs[:1])).sum(dtype=torch.float64)
    if not found.isfinite():
        raise UserError("the outputs of the network with squared weights are not finite")
    return one_value(found)
