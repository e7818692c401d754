"""Stand-ins for the 72 CLIPs of model soups (Wortsman et al., 2022): small fine-tuned CLIPs.

As there, all models are fine-tuned by AdamW from one base, which is the first model. Theirs is CLIP
with a linear probe; this one is trained on the digits under each shift. The table's
hyper-parameters are used as follows:

- learning_rate: times `RATE`, since about a hundred steps replace some ten thousand. Empty: the
  base model.
- epochs, weight_decay, smoothing (of labels), mixup (α): unchanged.
- augmentation: ``rand-mM-nN`` is N operations of magnitude M, made for 8 × 8 pixels; empty is none.

Equal hyper-parameters give equal models, like the fourth and fifth published ones.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from copy import deepcopy
from typing import Any

import numpy as np
import torch
from torch import nn

from sharpness.checkpoints.table import PublishedModel
from sharpness.data.images import Images
from sharpness.io.errors import UserError
from sharpness.io.files import digest
from sharpness.mini.photo_files import CLIP, Augmentation, make_loss, parts, to_images
from sharpness.mini.shifts import SHIFTS, DigitImages, digits_of, held_out, shifted
from sharpness.mini.trainer import Standins, seed, train_standin
from sharpness.networks import build

PRETRAINING = 80
"""Steps, enough for patches of 4 × 4 pixels; smaller patches need more."""
PEAK = 0.01
"""Learning rate of AdamW in pre-training."""
SCALE = 10.0
"""Factor on the initial head, since its features have unit length."""
OTHER_SEED = 1
"""Seed of the shifts of the training digits; that of the test digits differs."""
BATCH, RATE = 90, 200.0


def standins(architecture: Mapping[str, Any]) -> Standins:
    """Return a function that trains the CLIP of a row of ``clip-soups.csv``, and its test sets.

    The architecture has ``name: clip-vit``, images of 8 × 8 pixels and ten classes.
    """
    train, held = digits_of("train"), held_out()
    digits = to_images(train.where(~held), CLIP)
    base = _pretrained(architecture, train.where(~held))

    def trained(member: PublishedModel) -> nn.Module:
        network = deepcopy(base)
        if member.parameters["learning_rate"] != "":
            _fine_tune(network, member, digits)
        return network

    return trained, {**parts(CLIP), "heldout": to_images(train.where(held), CLIP, "test")}


def _pretrained(architecture: Mapping[str, Any], digits: DigitImages) -> nn.Module:
    kinds = [shifted(digits, part, OTHER_SEED) for part in SHIFTS]
    pixels = np.concatenate([kind.pixels for kind in kinds])
    images = to_images(DigitImages(pixels, np.tile(digits.labels, len(kinds))), CLIP)
    with torch.random.fork_rng(devices=[]):  # open_clip only uses the global generator
        torch.manual_seed(seed("clip", "weights"))
        network: Any = build(architecture)
    with torch.no_grad():
        network.head.weight.mul_(SCALE)
    optimizer = torch.optim.AdamW(network.parameters(), PEAK, fused=True)
    loss = make_loss(network, images, "clip")
    train_standin(
        loss, optimizer, examples=len(images), batch=BATCH, steps=PRETRAINING, name="clip"
    )
    return network


def _fine_tune(network: nn.Module, member: PublishedModel, digits: Images) -> None:
    """Train all weights with a row's hyper-parameters; their digest is the seed."""
    row = {key: value for key, value in member.parameters.items() if key != "note"}
    rate, epochs, decay, smoothing, mixing = (
        float(row[key]) for key in ("learning_rate", "epochs", "weight_decay", "smoothing", "mixup")
    )
    optimizer = torch.optim.AdamW(network.parameters(), RATE * rate, weight_decay=decay, fused=True)
    kind, name = Augmentation(*_randaugment(str(row["augmentation"])), mixing), digest(row)
    loss = make_loss(network, digits, name, kind, smoothing)
    steps = int(epochs) * (len(digits) // BATCH)
    train_standin(loss, optimizer, examples=len(digits), batch=BATCH, steps=steps, name=name)


def _randaugment(words: str) -> tuple[int, int]:
    """Return the number of operations and their magnitude."""
    found = re.fullmatch(r"(?:rand-m(\d+)-n(\d+))?", words)
    if not found:
        raise UserError(f"augmentation {words!r} is not of the form rand-m9-n2; correct the table")
    return int(found[2] or 0), int(found[1] or 0)
