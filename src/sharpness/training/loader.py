"""Training batches of one epoch: shuffled, with augmentation and mixup."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor
from torch.nn.functional import one_hot

from sharpness.data.images import Images, augment
from sharpness.training.hyperparameters import Purpose, random_stream, torch_seed
from sharpness.training.records import Task


def mixup(
    inputs: Tensor, labels: Tensor, classes: int, weight: float, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Mix each row of a batch with a random other one, all in the same proportion.

    Inputs are (n, c, h, w), floating; labels are class numbers (n,). ``weight`` is the share of a
    row in its own mixture, drawn from Beta(α, α) once per batch; ``generator``, on the device of
    the inputs, draws the partners. Labels are returned as probabilities (n, classes).
    """
    partner = torch.randperm(len(inputs), generator=generator, device=inputs.device)
    targets = one_hot(labels, classes).to(inputs.dtype)
    return inputs.lerp(inputs[partner], 1 - weight), targets.lerp(targets[partner], 1 - weight)


# Views are made for many steps at once: one large call is cheaper than many small ones.
_IMAGES_AT_ONCE = 8192


def batches(task: Task, data: Images, epoch: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield the batches of an epoch, which visits every image once, in a new order.

    A model with augmentation gets ``repeats`` independent views of each image of a step (Fort et
    al., 2021), any other the image itself. The last step takes the images that are left. The task's
    seed and index and the epoch, counted from 0, determine everything random.

    Yields:
        Normalized inputs (rows, c, h, w) and targets: class numbers (rows,), or with mixup
        probabilities (rows, classes). Rows are ``repeats`` or one times the images of the step.
    """
    device = data.pixels.device

    def stream(purpose: Purpose, where: torch.device) -> torch.Generator:
        seed = torch_seed(task.seed, task.index, purpose, epoch)
        return torch.Generator(where).manual_seed(seed)

    # Drawn on the CPU, so that the order is the same on every device.
    order = torch.randperm(
        len(data.labels), generator=stream(Purpose.ORDER, torch.device("cpu"))
    ).to(device)
    views = stream(Purpose.AUGMENTATION, device)
    partners = stream(Purpose.MIXUP, device)
    weights = random_stream(task.seed, task.index, Purpose.MIXUP, epoch)
    alpha = task.settings.mixup_alpha
    for inputs, labels in _views(task, data, order, views):
        if task.hyperparameters.mixup:
            weight = float(weights.beta(alpha, alpha))
            yield mixup(inputs, labels, task.classes, weight, partners)
        else:
            yield inputs, labels


def _views(
    task: Task, data: Images, order: Tensor, stream: torch.Generator
) -> Iterator[tuple[Tensor, Tensor]]:
    size = task.settings.batch_size
    for part in order.split(size * max(1, _IMAGES_AT_ONCE // size)):
        pixels = data.pixels[part]
        if task.hyperparameters.augment:
            repeats, rounds = task.settings.repeats, task.settings.augment_operations
            made = [augment(pixels, stream, data.flip, rounds) for _ in range(repeats)]
        else:
            made = [pixels]
        views = [data.normalized(view).split(size) for view in made]
        labels = data.labels[part].split(size)
        for step, step_labels in enumerate(labels):
            inputs = torch.cat([view[step] for view in views])
            yield inputs, step_labels.repeat(len(made))
