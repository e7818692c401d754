"""Small vision transformers in the place of AugReg's ViT-B/16 (Steiner et al., 2021).

As there, a model is pre-trained with AdamW under its regularization and augmentation, then
fine-tuned by SGD at its learning rate, and the two learning rates share a pre-training.
The hyper-parameters are those of the table, read so:

- pretraining: ``i1k`` pre-trains on the ten digits themselves, ``i21k`` on more classes and images:
  the digits in four quarter-turns, each turn of each digit a class of its own (40).
- augmentation_level: the original's magnitudes of RandAugment and α of mixup (`AUGMENTATIONS`),
  with operations made for 8 × 8 pixels.
- weight_decay: times `DECAY`, for a few hundred steps stand for some hundred thousand.
- dropout, stochastic_depth: as they are, while pre-training.
- learning_rate: as it is, while fine-tuning.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from sharpness.checkpoints.table import Member
from sharpness.data.images import Images
from sharpness.io.files import digest
from sharpness.mini.pictures import AUGREG, Augmentation, classification, parts, pictures
from sharpness.mini.shifts import photos
from sharpness.mini.trainer import Standins, seed, torch_generator, train_standin
from sharpness.networks import build, initialise

AUGMENTATIONS = {
    "none": Augmentation(0, 0, 0.0),
    "light0": Augmentation(2, 0, 0.0),
    "light1": Augmentation(2, 10, 0.2),
    "medium1": Augmentation(2, 15, 0.2),
    "medium2": Augmentation(2, 15, 0.5),
    "strong1": Augmentation(2, 20, 0.5),
    "strong2": Augmentation(2, 20, 0.8),
}
"""Operations an image, magnitude, and α of mixup, as the file names mean them.

Steiner et al. (2021) call the first two light1 and light2.
"""

BATCH = 64
PRETRAINING = {"i1k": 150, "i21k": 250}
FINE_TUNING = 60
"""Steps, enough for patches of 4 × 4 pixels; smaller ones need more."""
PEAK = 0.01
"""The learning rate of AdamW, ten times the original's."""
DECAY, MOMENTUM = 3.0, 0.9
SPREAD = 0.3
"""Deviation of position and class embeddings at the start; less of it learns ten times slower."""

Weights = dict[str, Tensor]


def standins(architecture: Mapping[str, Any]) -> Standins:
    """A vision transformer for each row of ``augreg-i1k.csv`` or ``augreg-i21k.csv``.

    Args:
        architecture: of the network, with ``name: vit``, for images of 8 × 8 and ten classes.
    """
    digits = pictures(photos("train"), AUGREG)
    pretrained: dict[str, Weights] = {}

    def trained(member: Member) -> nn.Module:
        shared = {key: v for key, v in member.parameters.items() if key != "learning_rate"}
        name = digest(shared)
        if name not in pretrained:
            pretrained[name] = _pretrained(name, shared, architecture, digits)
        return _fine_tuned(member, pretrained[name], architecture, digits)

    return trained, parts(AUGREG)


def _pretrained(
    name: str, row: Mapping[str, Any], architecture: Mapping[str, Any], digits: Images
) -> Weights:
    """The weights after pre-training with a row's regularization and augmentation."""
    images = turned(digits) if row["pretraining"] == "i21k" else digits
    network = build({**architecture, "classes": images.classes})
    start(network, torch_generator(name, "weights"))
    regularise(network, float(row["dropout"]), float(row["stochastic_depth"]))
    decay = DECAY * float(row["weight_decay"])
    optimizer = torch.optim.AdamW(network.parameters(), PEAK, weight_decay=decay, fused=True)
    loss = classification(network, images, name, AUGMENTATIONS[row["augmentation_level"]])
    steps = PRETRAINING[row["pretraining"]]
    with torch.random.fork_rng(devices=[]):  # dropout knows no other generator
        torch.manual_seed(seed(name, "dropout"))
        train_standin(loss, optimizer, examples=len(images), batch=BATCH, steps=steps, name=name)
    return network.state_dict()


def _fine_tuned(
    member: Member, weights: Weights, architecture: Mapping[str, Any], digits: Images
) -> nn.Module:
    """The pre-trained network with a new head, trained on the digits as they are."""
    network, name = build(architecture), f"{member.model} fine"
    fresh = network.state_dict()
    head = {name: torch.zeros_like(fresh[name]) for name in ("head.weight", "head.bias")}
    network.load_state_dict(weights | head)
    rate = float(member.parameters["learning_rate"])
    optimizer = torch.optim.SGD(network.parameters(), rate, momentum=MOMENTUM)
    loss = classification(network, digits, name)
    train_standin(loss, optimizer, examples=len(digits), batch=BATCH, steps=FINE_TUNING, name=name)
    return network


def start(network: Any, random: torch.Generator) -> None:
    """Draw fresh weights for a ``vit``."""
    initialise(network, random)
    for embedding in (network.pos_embed, network.cls_token):
        nn.init.normal_(embedding, std=SPREAD, generator=random)


def regularise(network: Any, dropout: float, depth: float) -> None:
    """Set dropout behind all dense layers but queries, keys and values, and stochastic depth.

    The last block is left out with probability ``depth``, the first never.
    """
    from timm.layers.drop import DropPath

    network.pos_drop.p = dropout
    rates = torch.linspace(0, depth, len(network.blocks)).tolist()
    for block, rate in zip(network.blocks, rates, strict=True):
        for layer in (block.attn.proj_drop, block.mlp.drop1, block.mlp.drop2):
            layer.p = dropout
        block.drop_path1, block.drop_path2 = DropPath(rate), DropPath(rate)


def turned(digits: Images) -> Images:
    """Digits in four quarter-turns; digit k in turn t has label 10t + k."""
    pixels = torch.cat([digits.pixels.rot90(turn, (2, 3)) for turn in range(4)])
    labels = torch.cat([digits.labels + 10 * turn for turn in range(4)])
    return replace(digits, pixels=pixels, labels=labels, classes=40, groups=None)
