"""Error rate and loss of a model on a data set."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from sharpness.data.batches import Examples, Groups, call, logits_of, to_device
from sharpness.data.images import Images
from sharpness.io.errors import UserError
from sharpness.measures.network import evaluation_mode

ROWS = 1024
"""Examples per forward pass."""


@torch.no_grad()
def error_and_loss(model: nn.Module, examples: Examples, rows: int = ROWS) -> tuple[float, float]:
    """Return the error rate in [0, 1] and the mean cross-entropy on unaugmented examples.

    The model is measured in evaluation mode on its own device and left as it was. Scores (see
    ``class_scores``) that are not finite count as wrong; NaN makes the loss NaN. The results depend
    on ``rows``, the examples per forward pass, by rounding alone.

    Raises:
        UserError: if there are no examples.
    """
    if not len(examples):
        raise UserError(f"{examples.title}: has no examples to be right or wrong on")
    device = next(model.parameters()).device
    if isinstance(examples, Images):
        examples = examples.to(device)  # 8-bit pixels are a quarter of the inputs made from them
    wrong, total = 0, 0.0
    with evaluation_mode(model):
        for batch in examples.batches(rows):
            inputs, labels = to_device(batch, device)
            scores = class_scores(logits_of(call(model, inputs)), examples.groups)
            right = (scores.argmax(dim=1) == labels) & scores.isfinite().all(dim=1)
            wrong += len(labels) - int(right.sum())
            total += float(cross_entropy(scores, labels, reduction="sum"))
    return wrong / len(examples), total / len(examples)


def class_scores(logits: Tensor, groups: Groups | None) -> Tensor:
    """Return the score of each class, (n, classes): the largest of the logits that mean it.

    ``groups`` lists these logits for each class, and other logits do not count; None means that
    class k is logit k. ``logits`` is (n, K). A NaN logit makes the score of its class NaN.
    """
    if groups is None:
        return logits
    longest = max(map(len, groups))
    # Short groups repeat their first logit, which leaves their maximum as it is.
    index = torch.tensor([(*g, *g[:1] * (longest - len(g))) for g in groups], device=logits.device)
    return logits[:, index].amax(dim=2)
