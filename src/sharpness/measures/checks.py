"""Checks, once a model, that what is measured is a differentiable function of the weights.

A model that draws random numbers, a loss that does not separate over examples, and a gradient that
is not the derivative of the loss would otherwise give wrong values without a word. Each check
refuses on evidence alone: where rounding hides the answer, it passes.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from sharpness.data.batches import Batch, split_batch
from sharpness.io.errors import UserError, out_of_memory
from sharpness.measures.ball import length
from sharpness.measures.network import Network
from sharpness.measures.objective import Loss, Objective, counted, mean_loss

RANDOM_PASSES = 30
"""Passes that must agree if a forward draws random numbers, which need not change its outputs."""
WIDTHS = (1e-2, 1e-1, 1.0)
"""Perturbations, relative to the weights, one of which an output must see."""
AWAY = 1e-2
"""Distance, relative to the weights, at which derivatives are checked: beyond the kinks of ReLU."""
STEPS = (3e-3, 1e-3, 3e-4, 1e-4, 1e-5, 1e-6, 1e-7)
"""Steps of the difference quotients, relative to the weights."""
AGREE, CONVERGED = 0.1, 0.02
"""Relative differences: of a quotient from the gradient's, and of two successive quotients."""


@torch.no_grad()
def check_function(objective: Objective) -> None:
    """Check that the weights determine the outputs of the first piece, and change them.

    Raises:
        UserError: if two passes differ, or if no perturbation of the weights changes an output.
    """
    weights, piece = objective.network.weights, objective.pieces[0]
    first = check_repeatable(objective, piece)
    for width in WIDTHS:
        moved = weights + width * _noise(weights)
        if not torch.equal(first, _outputs(objective, moved, piece)):
            return
    raise UserError(
        "no output changes when the weights are perturbed: the forward pass reads copies of them, "
        "or does not use them"
    )


@torch.no_grad()
def check_repeatable(objective: Objective, piece: Batch) -> Tensor:
    """Check that passes of a piece agree; return its outputs.

    If the forward draws random numbers, which need not change its outputs, more passes must agree,
    and from then on each pass starts from the same states of the generators: what it draws with a
    small probability is the same in all.

    Raises:
        UserError: if two passes differ.
    """
    random = objective.network.random
    frozen, random.frozen = random.frozen, None
    before = random.read()
    try:
        loss, first = _loss(objective, piece)
        if random.read() != before:
            frozen = frozen or before
        for _ in range(RANDOM_PASSES if frozen else 1):
            again, outputs = _loss(objective, piece)
            differ = abs(again - loss) > _rounding(first, loss)
            if differ or not _close(first, outputs):
                raise UserError(
                    "two forward passes of the same model and batch differ: something in the model "
                    "or in the loss is random or changes from call to call (dropout that ignores "
                    "eval(), for example); sharpness needs a deterministic one"
                )
    finally:
        random.write(before)
        random.frozen = frozen
    return first


@torch.no_grad()
def check_separable(objective: Objective) -> None:
    """Check that a divided batch has the outputs and the loss of its pieces.

    Where memory is too small for the whole batch, a piece is compared with its halves.

    Raises:
        UserError: if it has not, so that it cannot go through in pieces.
    """
    pieces = objective.pieces
    if len(pieces) < 2:
        return
    half = (len(pieces[0][1]) + 1) // 2
    for whole, size in (objective.whole, len(pieces[0][1])), (pieces[0], half):
        outputs = _outputs_if_they_fit(objective, whole)
        if outputs is not None:
            parts = _outputs_in_pieces(objective, whole, size, outputs)
            _compare_losses(objective, whole, size, outputs, parts)
            return


@torch.no_grad()
def check_cut(network: Network, batch: Batch, m: int, loss: Loss) -> None:
    """Check that examples have the same outputs in batches of m as in the batch that is cut.

    Raises:
        UserError: if they have not, so that m cannot be another.
    """
    if m < len(batch[1]):
        objective = Objective(network, batch, loss)
        outputs = _outputs_if_they_fit(objective, objective.whole)
        if outputs is not None:
            _outputs_in_pieces(objective, objective.whole, m, outputs)


def _outputs_if_they_fit(objective: Objective, whole: Batch) -> Tensor | None:
    """Return the outputs of a batch; None where memory is too small for it."""
    try:
        return _outputs(objective, objective.network.weights, whole)
    except RuntimeError as error:
        if not out_of_memory(error):
            raise
        return None


def _outputs_in_pieces(
    objective: Objective, whole: Batch, size: int, outputs: Tensor
) -> list[Tensor]:
    """Return the outputs of the pieces; raise UserError if examples have others in ``outputs``."""
    pieces = split_batch(whole, size)
    found = [_outputs(objective, objective.network.weights, piece) for piece in pieces]
    per_example = outputs.ndim > 0 and len(outputs) == len(whole[1])
    if per_example and not _close(outputs, torch.cat(found)):
        raise _indivisible(whole, size)
    return found


def _compare_losses(
    objective: Objective, whole: Batch, size: int, outputs: Tensor, parts: list[Tensor]
) -> None:
    """Raise UserError if the loss of a batch is not the mean of those of its pieces."""
    pieces = split_batch(whole, size)
    counts = [counted(objective.loss, targets) for _, targets in pieces]
    losses = [
        mean_loss(objective.loss, part, targets, None).item() if count else 0.0
        for part, count, (_, targets) in zip(parts, counts, pieces, strict=True)
    ]
    mean = sum(n * each for n, each in zip(counts, losses, strict=True)) / sum(counts)
    loss = mean_loss(objective.loss, outputs, whole[1], None).item()
    if abs(loss - mean) > _rounding(outputs, loss):
        raise _indivisible(whole, size)


def _indivisible(whole: Batch, size: int) -> UserError:
    return UserError(
        f"a batch of {len(whole[1])} examples has other outputs or another loss than its pieces of "
        f"{size}: the model or the loss does not treat examples one by one, so a batch cannot be "
        "divided; leave micro_batch and m out, or give smaller batches"
    )


def check_gradient(objective: Objective) -> None:
    """Check by directional derivatives that the gradient is the derivative of the loss.

    One direction follows the gradient; the other moves the weights without a gradient, which must
    not change the loss to first order. Both start a little away from the model's own weights, where
    a derivative need not exist (ReLU of zeros).

    Raises:
        UserError: if it is not, or if the loss is another one when gradients are computed.
    """
    network = objective.network
    inputs, targets = objective.pieces[0]
    piece = Objective(network, (inputs, targets), objective.loss)
    start = network.rounded(network.weights + AWAY * _noise(network.weights))
    with torch.no_grad(), network.at(start, coarse=True) as outputs_of:
        outputs = outputs_of(inputs).clone()
        written = not network.holds(start)
        loss = mean_loss(objective.loss, outputs, targets, None).item()
    if written or network.scales_gradients:
        raise UserError(
            "the gradient is not the derivative of the loss: the forward pass writes to the "
            "weights (max_norm of an embedding, for example), or an embedding has "
            "scale_grad_by_freq; only average-case sharpness can be measured"
        )
    noise = _rounding(outputs, loss)
    other, gradient = piece.loss_and_gradient(start, None, coarse=True)
    if abs(other - loss) > noise:
        raise UserError(
            f"the loss is {loss:.6g} without gradients and {other:.6g} with them: the forward pass "
            "computes something else when gradients are needed"
        )
    for direction in _directions(start, gradient):
        if direction.any() and _contradicted(piece, start, direction, gradient, noise):
            raise UserError(
                "the gradient is not the derivative of the loss: the forward pass uses weights "
                "that autograd does not see (a detached alias, no_grad, a padding_idx that is "
                "read, a hook that changes gradients); only average-case sharpness can be measured"
            )


def _directions(start: Tensor, gradient: Tensor) -> Iterator[Tensor]:
    """Yield the two directions, (p,) each; the second is made after the first was used."""
    scale = _scale(start)
    along = scale * gradient
    largest = along.abs().max()
    scale.mul_(along.div_(torch.where(largest > 0, largest, 1.0)))
    del along
    yield scale
    del scale
    yield _noise(start).mul_(gradient == 0)


@torch.no_grad()
def _contradicted(
    piece: Objective, start: Tensor, direction: Tensor, gradient: Tensor, noise: float
) -> bool:
    """Return whether difference quotients converge to something else than the gradient's slope.

    The smallest steps that rounding lets see anything decide.
    """
    network = piece.network
    apart: list[float] = []  # quotient minus slope, at each step
    for step in STEPS:
        ends = [network.rounded(start.add(direction, alpha=sign * step)) for sign in (1, -1)]
        high, low = (piece.losses(end, [None], coarse=True)[0] for end in ends)
        change, expected = high - low, float(gradient @ (ends[0] - ends[1]))
        if apart and abs(apart[-1]) * step <= 2 * noise:
            break  # rounding hides what smaller steps would show
        if abs(change - expected) <= AGREE * max(abs(change), abs(expected)) + noise:
            return False  # what larger steps showed were kinks
        apart.append((change - expected) / step)
    return len(apart) > 1 and abs(apart[-1] - apart[-2]) <= CONVERGED * abs(apart[-1])


def _outputs(objective: Objective, weights: Tensor, piece: Batch) -> Tensor:
    with objective.network.at(weights, coarse=True) as outputs_of:
        return outputs_of(piece[0]).clone()


def _loss(objective: Objective, piece: Batch) -> tuple[float, Tensor]:
    outputs = _outputs(objective, objective.network.weights, piece)
    return mean_loss(objective.loss, outputs, piece[1], None).item(), outputs


def _scale(weights: Tensor) -> Tensor:
    """Return the typical size of each weight, which is nowhere zero."""
    least = (length(weights) / len(weights) ** 0.5).clamp_min(1e-3)
    return weights.abs().add_(least)


def _noise(weights: Tensor) -> Tensor:
    generator = torch.Generator(weights.device).manual_seed(0)
    return torch.empty_like(weights).normal_(generator=generator).mul_(_scale(weights))


def _rounding(outputs: Tensor, loss: float = 0.0) -> float:
    """Return how far rounding may move a loss, or an output."""
    kind = outputs.dtype if outputs.is_floating_point() else torch.float32
    largest = outputs.abs().max().item() if outputs.numel() else 0.0
    return 64 * torch.finfo(kind).eps * max(abs(loss), float(largest))


def _close(one: Tensor, other: Tensor) -> bool:
    return one.shape == other.shape and torch.allclose(
        one, other, rtol=0.0, atol=_rounding(one), equal_nan=True
    )
