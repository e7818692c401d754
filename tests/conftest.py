"""One torch thread, an order for several workers, and small networks that tests share."""

from __future__ import annotations

import os
from typing import Any

import pytest
import torch
from hypothesis import settings
from sklearn.datasets import load_digits
from torch import Tensor, nn
from toys import RESNET, VIT, Batches, fit

from sharpness.networks import build, initialise

torch.set_num_threads(1)
settings.register_profile("fixed", derandomize=True, deadline=None)
settings.load_profile("fixed")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Where workers share the tests, the longest come first, so that all end at about one time."""
    if "PYTEST_XDIST_WORKER" in os.environ:
        items.sort(key=lambda item: item.get_closest_marker("workflow") is None)


@pytest.fixture(scope="session")
def digits() -> tuple[Tensor, Tensor]:
    """Images (1797, 1, 8, 8) in [0, 1] and labels (1797,)."""
    images, labels = load_digits(return_X_y=True)
    return torch.tensor(images, dtype=torch.float32).view(-1, 1, 8, 8) / 16, torch.tensor(labels)


@pytest.fixture(scope="session")
def points(digits: tuple[Tensor, Tensor]) -> Batches:
    """Two batches of 32 digits."""
    images, labels = digits
    return [(images[:32], labels[:32]), (images[32:64], labels[32:64])]


def trained(architecture: dict[str, Any], digits: tuple[Tensor, Tensor]) -> nn.Module:
    network = build(architecture)
    initialise(network, torch.Generator().manual_seed(0))
    return fit(network, *digits, steps=80)


@pytest.fixture(scope="session")
def resnet(digits: tuple[Tensor, Tensor]) -> nn.Module:
    """A convolutional network with BatchNorm, in evaluation mode."""
    return trained(RESNET, digits)


@pytest.fixture(scope="session")
def vit(digits: tuple[Tensor, Tensor]) -> nn.Module:
    """A network with attention and LayerNorm."""
    return trained(VIT, digits)
