"""The pre-activation ResNet for small images (He et al., 2016, "Identity mappings")."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import relu

NARROWEST = 8
"""Width from which images are laid out channels last: narrower, oneDNN has corrupted memory."""


class PreActBlock(nn.Module):
    """Two 3x3 convolutions, each after its norm and ReLU, added to a shortcut.

    A shortcut that is a convolution starts after the first norm and ReLU, an identity before them.
    """

    def __init__(self, in_planes: int, planes: int, stride: int) -> None:
        """Build a block from (n, in_planes, h, w) to (n, planes, h/stride, w/stride)."""
        super().__init__()
        self.bn1 = nn.BatchNorm2d(in_planes)
        self.conv1 = _conv3x3(in_planes, planes, stride)
        self.bn2 = nn.BatchNorm2d(planes)
        self.conv2 = _conv3x3(planes, planes, 1)
        self.shortcut = (
            nn.Sequential(nn.Conv2d(in_planes, planes, 1, stride, bias=False))
            if stride != 1 or in_planes != planes
            else None
        )

    def forward(self, x: Tensor) -> Tensor:
        """Apply the block to (n, in_planes, h, w)."""
        out = relu(self.bn1(x))
        shortcut = x if self.shortcut is None else self.shortcut(out)
        return self.conv2(relu(self.bn2(self.conv1(out)))) + shortcut


class PreActResNet(nn.Module):
    """Stages of blocks; each stage doubles the width and halves the image of the one before.

    Width 64 and blocks [2, 2, 2, 2] are the PreAct ResNet-18 of the paper (Sec. 5.1): 11,172,170
    parameters in 56 tensors, under the names of the authors' checkpoints.
    """

    def __init__(self, width: int, blocks: Sequence[int], in_channels: int, classes: int) -> None:
        """Build a stage for each number of ``blocks``; the first has ``width`` channels."""
        super().__init__()
        self.conv1 = _conv3x3(in_channels, width, 1)
        self.stages = len(blocks)
        in_planes = width
        for stage, depth in enumerate(blocks):
            planes = width * 2**stage
            layer = [PreActBlock(in_planes, planes, stride=1 if stage == 0 else 2)]
            layer += [PreActBlock(planes, planes, stride=1) for _ in range(depth - 1)]
            # The names layer1, layer2, ... are those of the checkpoints.
            self.add_module(f"layer{stage + 1}", nn.Sequential(*layer))
            in_planes = planes
        self.bn = nn.BatchNorm2d(in_planes)
        self.linear = nn.Linear(in_planes, classes)
        self.channels_last = width >= NARROWEST

    def forward(self, x: Tensor) -> Tensor:
        """Return logits (n, classes) of images (n, in_channels, h, w).

        On a CPU, convolutions of images laid out channels last take a fifth less time.
        """
        if self.channels_last and x.device.type == "cpu":
            x = x.contiguous(memory_format=torch.channels_last)
        out = self.conv1(x)
        for stage in range(self.stages):
            out = getattr(self, f"layer{stage + 1}")(out)
        return self.linear(relu(self.bn(out)).mean(dim=(2, 3)))


def _conv3x3(in_planes: int, planes: int, stride: int) -> nn.Conv2d:
    return nn.Conv2d(in_planes, planes, 3, stride, padding=1, bias=False)
