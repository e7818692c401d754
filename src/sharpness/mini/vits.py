"""Stand-ins for AugReg's ViT-B/16 (Steiner et al., 2021): small vision transformers.

As there, a model is pre-trained by AdamW with its regularization and augmentation, then fine-tuned
by SGD; models that differ only in the learning rate share a pre-training. The table's
hyper-parameters are used as follows:

- pretraining: ``i1k`` uses the ten digits; ``i21k`` uses more classes and images, the digits in
  four quarter-turns with a class for each turn of each digit (40).
- augmentation_level: magnitudes of RandAugment and α of mixup in `AUGMENTATIONS`, with operations
  made for 8 × 8 pixels.
- weight_decay: times `DECAY`, since a few hundred steps replace some hundred thousand.
- dropout, stochastic_depth: unchanged, in pre-training only.
- learning_rate: unchanged, in fine-tuning.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from sharpness.checkpoints.table import PublishedModel
from sharpness.data.images import Images
from sharpness.io.files import digest
from sharpness.mini.photo_files import AUGREG, Augmentation, make_loss, parts, to_images
from sharpness.mini.shifts import digits_of
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
"""Operations per image, magnitude, and mixup's α, by the level's name in AugReg's file names.

Steiner et al. (2021) call light0 and light1 "light1" and "light2".
"""

BATCH = 64
PRETRAINING = {"i1k": 150, "i21k": 250}
FINE_TUNING = 60
"""Steps, enough for patches of 4 × 4 pixels; smaller patches need more."""
PEAK = 0.01
"""Learning rate of AdamW, ten times the original's."""
DECAY, MOMENTUM = 3.0, 0.9
SPREAD = 0.3
"""Initial standard deviation of position and class embeddings; less learns ten times slower."""

Weights = dict[str, Tensor]


def standins(architecture: Mapping[str, Any]) -> Standins:
    """Return a function that trains the ViT of a row of ``augreg-i1k.csv``, and its test sets.

    It takes rows of ``augreg-i21k.csv`` too. The architecture has ``name: vit``, images of 8 × 8
    pixels and ten classes.
    """
    digits = to_images(digits_of("train"), AUGREG)
    pretrained: dict[str, Weights] = {}

    def trained(member: PublishedModel) -> nn.Module:
        shared = {key: v for key, v in member.parameters.items() if key != "learning_rate"}
        name = digest(shared)
        if name not in pretrained:
            pretrained[name] = _pretrained(name, shared, architecture, digits)
        return _fine_tuned(member, pretrained[name], architecture, digits)

    return trained, parts(AUGREG)


def _pretrained(
    name: str, row: Mapping[str, Any], architecture: Mapping[str, Any], digits: Images
) -> Weights:
    images = quarter_turns(digits) if row["pretraining"] == "i21k" else digits
    network = build({**architecture, "classes": images.classes})
    initialize_weights(network, torch_generator(name, "weights"))
    regularise(network, float(row["dropout"]), float(row["stochastic_depth"]))
    decay = DECAY * float(row["weight_decay"])
    optimizer = torch.optim.AdamW(network.parameters(), PEAK, weight_decay=decay, fused=True)
    loss = make_loss(network, images, name, AUGMENTATIONS[row["augmentation_level"]])
    steps = PRETRAINING[row["pretraining"]]
    with torch.random.fork_rng(devices=[]):  # dropout only uses the global generator
        torch.manual_seed(seed(name, "dropout"))
        train_standin(loss, optimizer, examples=len(images), batch=BATCH, steps=steps, name=name)
    return network.state_dict()


def _fine_tuned(
    member: PublishedModel, weights: Weights, architecture: Mapping[str, Any], digits: Images
) -> nn.Module:
    """Fine-tune the pre-trained network with a zero head on the digits, without augmentation."""
    network, name = build(architecture), f"{member.model} fine"
    fresh = network.state_dict()
    head = {name: torch.zeros_like(fresh[name]) for name in ("head.weight", "head.bias")}
    network.load_state_dict(weights | head)
    rate = float(member.parameters["learning_rate"])
    optimizer = torch.optim.SGD(network.parameters(), rate, momentum=MOMENTUM)
    loss = make_loss(network, digits, name)
    train_standin(loss, optimizer, examples=len(digits), batch=BATCH, steps=FINE_TUNING, name=name)
    return network


def initialize_weights(network: Any, random: torch.Generator) -> None:
    """Initialize the weights of a ``vit``."""
    initialise(network, random)
    for embedding in (network.pos_embed, network.cls_token):
        nn.init.normal_(embedding, std=SPREAD, generator=random)


def regularise(network: Any, dropout: float, depth: float) -> None:
    """Set stochastic depth, and dropout after all dense layers but queries, keys and values.

    The probability to drop a block grows linearly from 0 at the first to ``depth`` at the last.
    """
    from timm.layers.drop import DropPath

    network.pos_drop.p = dropout
    rates = torch.linspace(0, depth, len(network.blocks)).tolist()
    for block, rate in zip(network.blocks, rates, strict=True):
        for layer in (block.attn.proj_drop, block.mlp.drop1, block.mlp.drop2):
            layer.p = dropout
        block.drop_path1, block.drop_path2 = DropPath(rate), DropPath(rate)


def quarter_turns(digits: Images) -> Images:
    """Return the digits in four quarter-turns; digit k in turn t has label 10t + k."""
    pixels = torch.cat([digits.pixels.rot90(turn, (2, 3)) for turn in range(4)])
    labels = torch.cat([digits.labels + 10 * turn for turn in range(4)])
    return replace(digits, pixels=pixels, labels=labels, classes=40, groups=None)
