"""How LeNet-5 is trained and measured: what the paper says, what the notebook did, by name."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from pydantic import NonNegativeFloat, PositiveFloat, PositiveInt


@dataclass(frozen=True)
class Procedure:
    """The settings; the defaults are the paper's text (Sec. II.B, III and III.B, Table I).

    The text leaves open, and so it is settled here: Xavier initialisation is the uniform one, with
    biases of 0; no weight decay and no momentum; the learning rate is constant; features are
    normalized by the mean and the deviation of all training pixels; the channels and the units of
    the layers are the notebook's; the training loss of the stop rule is the mean over the batches
    of an epoch, as they were met, dropout included; sharpness is measured in eval mode; its S is
    drawn with replacement. Dropout follows a layer's ReLU in the text and precedes it in the
    notebook; either order gives the same function, so there is no switch.

    Attributes:
        initialisation: "xavier", or the notebook's "torch": weights and biases uniform within
            1/√(inputs of a unit).
        learning_rate: of training and of the ascent.
        batch: examples of a step, and m of the sharpness.
        weight_decay: added to the gradient as that multiple of the weights, in training only;
            5e-3 in the notebook.
        threshold: relative change of the training loss below which training ends.
        epochs: after which it ends in any case.
        eval_after_first_epoch: the notebook went to eval mode after the first epoch and never back:
            from the second epoch on there is no dropout, and BatchNorm uses the running statistics
            of the first, which no longer move.
        mean_of_batch_means: the notebook's loss of a whole set was the mean of its batches' means,
            in which examples of a last, smaller batch weigh more; else all examples weigh alike.
        rho: radius of the ball, relative to each weight (ℓ∞).
        restarts: runs of the ascent, each with its own S and from the trained weights; sharpness
            is the mean over them. One in the notebook.
        rounds: of each run; after every round the loss is compared with the greatest so far.
        whole_epochs: the notebook's round was an epoch of steps over all training examples, and
            the loss compared that of them all; else a round is one step on S, and the loss is L_S.
        ascent_in_train_mode: the notebook took the ascent's steps in train mode: with dropout, with
            the statistics of the batch, and moving the running statistics, with which the loss is
            then compared. Else all is in eval mode and the statistics stay.
        centre_after_first_step: the notebook's centre of the ball was another name for the weights
            when the first step changed them: that step is not projected, and the ball lies around
            what it gave. Else the centre is the trained weights.
    """

    initialisation: Literal["xavier", "torch"] = "xavier"
    learning_rate: PositiveFloat = 0.05
    batch: PositiveInt = 64
    weight_decay: NonNegativeFloat = 0.0
    threshold: NonNegativeFloat = 0.05
    epochs: PositiveInt = 10
    eval_after_first_epoch: bool = False
    mean_of_batch_means: bool = False
    rho: PositiveFloat = 1e-4
    restarts: PositiveInt = 50
    rounds: PositiveInt = 5
    whole_epochs: bool = False
    ascent_in_train_mode: bool = False
    centre_after_first_step: bool = False


PRESETS = {
    "text": Procedure(),
    "code": Procedure(
        initialisation="torch",
        weight_decay=5e-3,
        eval_after_first_epoch=True,
        mean_of_batch_means=True,
        restarts=1,
        whole_epochs=True,
        ascent_in_train_mode=True,
        centre_after_first_step=True,
    ),
}
"""What the paper's text says, and what its notebook did."""
