"""The pool of networks: each trained, tested and measured."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from enum import IntEnum

import numpy as np
import torch

from sharpness.data.fashion_mnist import FashionMnist
from sharpness.simple.small_networks.lenet import images
from sharpness.simple.small_networks.lenet.images import Examples
from sharpness.simple.small_networks.lenet.losses import mean_loss, outputs
from sharpness.simple.small_networks.lenet.measure import sharpness
from sharpness.simple.small_networks.lenet.procedure import Procedure
from sharpness.simple.small_networks.lenet.training import Trained, train
from sharpness.simple.small_networks.rows import row


class _Purpose(IntEnum):
    """What a stream of random numbers is for; the numbers are part of every result."""

    TRAINING = 0
    MEASUREMENT = 1
    REPETITION = 2


def measured(
    data: FashionMnist,
    procedure: Procedure,
    base: int,
    models: Sequence[int],
) -> Iterator[dict[str, object]]:
    """Train and measure models, one after the other.

    Everything random of a model comes from (base, model), so that it is the same whichever models
    are its neighbours. The bytes depend on the number of torch threads.

    Args:
        data: all of it, or a part.
        procedure: how; see `procedure.PRESETS`.
        base: of the seeds of the pool.
        models: their numbers.

    Yields:
        A row of `rows.COLUMNS` for each model, without its network and procedure.
    """
    training, test = images.training(data), images.test(data)
    for done, model in enumerate(models, 1):
        trained = train(training, procedure, _generator(base, model, _Purpose.TRAINING))
        curve = ", ".join(f"{loss:.4f}" for loss in trained.losses)
        print(
            f"LeNet-5, base {base}, model {model} ({done} of {len(models)}): loss {curve}",
            file=sys.stderr,
            flush=True,
        )
        first, again = (
            sharpness(
                trained.weights,
                trained.statistics,
                training,
                procedure,
                _generator(base, model, purpose),
            )
            for purpose in (_Purpose.MEASUREMENT, _Purpose.REPETITION)
        )
        train_loss, _ = _loss_and_accuracy(trained, training, procedure)
        test_loss, accuracy = _loss_and_accuracy(trained, test, procedure)
        yield row(base, model, len(trained.losses), train_loss, test_loss, accuracy, first, again)


def _generator(base: int, model: int, purpose: _Purpose) -> torch.Generator:
    seed = np.random.SeedSequence(base, spawn_key=(model, int(purpose))).generate_state(1)[0]
    return torch.Generator().manual_seed(int(seed))


def _loss_and_accuracy(
    trained: Trained, examples: Examples, procedure: Procedure
) -> tuple[float, float]:
    found = outputs(trained.weights, trained.statistics, examples)
    by_batch = procedure.batch if procedure.mean_of_batch_means else None
    right = (found.argmax(dim=1) == examples.labels).double().mean()
    return mean_loss(found, examples.labels, by_batch), float(right)
