"""The pretrained networks at their published sizes, through the whole chain.

Random weights are written as the publishers write theirs, served by a server on this machine,
downloaded, verified, converted, loaded, and measured in one cell of each case.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from publisher import Publisher, publishing
from torch import Tensor, nn

from sharpness import Definition, sharpness
from sharpness.checkpoints import formats
from sharpness.checkpoints.convert import download_checkpoint
from sharpness.checkpoints.table import PublishedModel
from sharpness.checkpoints.weight_map import Array
from sharpness.data.batches import Inputs
from sharpness.io.files import sha256
from sharpness.networks import build
from sharpness.training.checkpoint import load_model

pytestmark = pytest.mark.slow

TRANSFORMER = {"dim": 768, "depth": 12, "heads": 12, "mlp_dim": 3072}
IMAGES = {"image_size": 224, "classes": 1000, **TRANSFORMER}
VIT_B16 = {"name": "vit", "patch_size": 16, **IMAGES}
VIT_B32 = {"name": "clip-vit", "patch_size": 32, "embedding": 512, **IMAGES}
BERT = {"name": "bert", "vocabulary": 30522, "positions": 512, "types": 2, "classes": 3}
URL = "https://host.example/models/model.bin"
SIZES = {"augreg": 346_339_542}
"""Bytes of a published file, where they are known."""


def photos() -> Inputs:
    return torch.randn(2, 3, 224, 224, generator=torch.Generator().manual_seed(0))


def sentences() -> Inputs:
    """Two pairs of sentences of BERT's length, the second padded."""
    ids = torch.randint(1000, 30522, (2, 128), generator=torch.Generator().manual_seed(0))
    mask = torch.ones_like(ids)
    mask[1, 40:] = 0
    return {
        "input_ids": ids * mask,
        "attention_mask": mask,
        "token_type_ids": (torch.arange(128) >= 20).long() * mask,
    }


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Publisher]:
    """The mirror, a server on this machine."""
    with publishing(tmp_path / "mirror") as server:
        yield server
    for path in [*tmp_path.rglob("*.bin"), *tmp_path.rglob("*.safetensors")]:
        path.unlink()  # hundreds of megabytes each


def drawn(network: nn.Module) -> dict[str, Array]:
    """Random weights for a network; the scales of its norms lie about one."""
    generator = np.random.default_rng(0)
    weights: dict[str, Array] = {}
    for name, value in network.state_dict().items():
        array = 0.02 * generator.standard_normal(tuple(value.shape), dtype=np.float32)
        weights[name] = array + 1 if name.endswith("weight") and value.ndim == 1 else array
    return weights


@torch.no_grad()
def logits_of(network: nn.Module, inputs: Inputs) -> Tensor:
    if isinstance(inputs, Tensor):
        return network(inputs)
    return network(**inputs).logits


@pytest.mark.parametrize(
    ("form", "architecture", "parameters", "inputs"),
    [
        ("augreg", VIT_B16, 86_567_656, photos),
        ("soups", VIT_B32, 87_849_216 + 513_000, photos),
        ("bert", BERT | TRANSFORMER, 109_484_547, sentences),
    ],
    ids=["ViT-B/16", "ViT-B/32", "BERT-base"],
)
def test_the_whole_chain_at_full_size(
    form: str,
    architecture: dict[str, Any],
    parameters: int,
    inputs: Callable[[], Inputs],
    server: Publisher,
    tmp_path: Path,
) -> None:
    original = server.folder / "host.example/models/model.bin"
    out = tmp_path / "model.safetensors"
    network = build(architecture).eval()
    weights = drawn(network)
    formats.write(form, original, weights, architecture)
    size = original.stat().st_size
    assert size == SIZES.get(form, size)

    member = PublishedModel("model", {}, URL, size, f"sha256 {sha256(original)}")
    where = {"cache": tmp_path / "cache", "mirror": server.url, "offline": True}
    download_checkpoint(member, form, architecture, out, **where, standin=False, keep=False)
    loaded = load_model(out)

    assert sum(parameter.numel() for parameter in loaded.parameters()) == parameters
    state = loaded.state_dict()
    assert state.keys() == weights.keys()
    assert all(np.array_equal(state[name].numpy(), array) for name, array in weights.items())
    network.load_state_dict({name: torch.from_numpy(array) for name, array in weights.items()})
    points, labels = inputs(), torch.tensor([0, 2])
    logits = logits_of(network, points)
    assert logits.std() > 0.01  # nothing collapsed
    torch.testing.assert_close(logits_of(loaded, points), logits, rtol=1e-5, atol=1e-6)
    del network, weights, state

    worst = Definition("worst", "linf", adaptive=True, logit_norm=True)
    assert sharpness(loaded, [(points, labels)], worst, 0.002, steps=1).value > 0
    average = Definition("average", "linf", adaptive=True, logit_norm=False)
    estimate = sharpness(loaded, [(points, labels)], average, 0.1, samples=2)
    assert 0 < abs(estimate.value) < math.inf
