"""Compare sharpness on a GPU with sharpness on the CPU in float64, for every kind of layer.

Called by `gpu.sh`. Noise is drawn on the CPU for both, since each kind of device has its own.
"""

from __future__ import annotations

import argparse
import copy
import sys
from collections.abc import Callable

import torch
from torch import Tensor, nn

from sharpness import PROTOCOLS, Cell, Effort, Estimate, UserError
from sharpness.measures import ball
from sharpness.measures.definition import ALL
from sharpness.measures.sharpness import measure_cells
from sharpness.networks import build

EXAMPLES, RADIUS, EFFORT = 8, 0.05, Effort(steps=5, samples=5)
TOLERANCE = {torch.float64: (1e-5, 1e-8), torch.float32: (0.02, 2e-5), torch.bfloat16: (0.3, 0.05)}
"""Largest difference from float64, relative and absolute; 16 bits round the model's activations."""


class Recurrent(nn.Module):
    """The last state of a recurrent layer, and a linear one."""

    def __init__(self, kind: Callable[..., nn.Module]) -> None:
        """Take the class of the recurrent layer."""
        super().__init__()
        self.inner, self.head = kind(6, 8, 2, batch_first=True), nn.Linear(8, 3)

    def forward(self, x: Tensor) -> Tensor:
        """Return logits (n, 3) of sequences (n, 5, 6)."""
        return self.head(self.inner(x)[0][:, -1])


class Words(nn.Module):
    """Mean of embeddings, with sparse gradients."""

    def __init__(self) -> None:
        """Draw the weights."""
        super().__init__()
        self.inner, self.head = nn.Embedding(20, 8, sparse=True), nn.Linear(8, 3)

    def forward(self, x: Tensor) -> Tensor:
        """Return logits (n, 3) of words (n, 4)."""
        return self.head(self.inner(x).mean(dim=1))


def _images() -> Tensor:
    return torch.randn(EXAMPLES, 3, 8, 8)


def _vectors() -> Tensor:
    return torch.randn(EXAMPLES, 6)


def _sequences() -> Tensor:
    return torch.randn(EXAMPLES, 5, 6)


_VIT = {"patch_size": 4, "dim": 16, "depth": 1, "heads": 2, "mlp_dim": 24, "classes": 3}
_VIT |= {"image_size": 8}
_RESNET = {"name": "preact-resnet", "width": 8, "blocks": [1, 1], "in_channels": 3, "classes": 3}
_SIMPLE = {**_VIT, "name": "simple-vit", "dim_head": 8, "in_channels": 3}
_NORM = nn.utils.parametrizations.weight_norm
KINDS: dict[str, tuple[Callable[[], nn.Module], Callable[[], Tensor]]] = {
    "PreAct ResNet": (lambda: build(_RESNET), _images),
    "SimpleViT": (lambda: build(_SIMPLE), _images),
    "ViT": (lambda: build({**_VIT, "name": "vit"}), _images),
    "LSTM": (lambda: Recurrent(nn.LSTM), _sequences),
    "GRU": (lambda: Recurrent(nn.GRU), _sequences),
    "attention": (
        lambda: nn.Sequential(
            nn.TransformerEncoderLayer(6, 2, 12, batch_first=True), nn.Flatten(), nn.Linear(30, 3)
        ),
        _sequences,
    ),
    "weight norm, SiLU": (
        lambda: nn.Sequential(_NORM(nn.Linear(6, 12)), nn.SiLU(), nn.Linear(12, 3)),
        _vectors,
    ),
    "group and batch norm": (
        lambda: nn.Sequential(
            *(nn.Conv2d(3, 8, 3), nn.GroupNorm(2, 8), nn.ReLU(), nn.BatchNorm2d(8)),
            *(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 3)),
        ),
        _images,
    ),
    "sparse embedding": (Words, lambda: torch.randint(20, (EXAMPLES, 4))),
}


def draw_on_the_cpu() -> None:
    """Have noise of every device drawn in float64 on the CPU, from the same generators."""
    generator = ball.noise_generator
    on_the_cpu = lambda _, *key: generator(torch.device("cpu"), *key)  # noqa: E731
    vars(ball)["noise_generator"] = on_the_cpu
    for norm in ball.NORMS.values():
        draw = norm.noise

        def noise(
            like: Tensor, stream: torch.Generator, draw: Callable[..., Tensor] = draw
        ) -> Tensor:
            return draw(torch.empty(like.shape, dtype=torch.float64), stream).to(like)

        norm.noise = staticmethod(noise)  # type: ignore[assignment]


def measured(
    model: nn.Module, inputs: Tensor, targets: Tensor, dtype: torch.dtype, device: str
) -> dict[Cell, Estimate | UserError]:
    """Return every definition by both protocols; in 16 bits the average case alone.

    Gradients in 16 bits may lead an ascent another way, to another lower bound.
    """
    inputs = inputs.to(dtype) if inputs.is_floating_point() else inputs
    some = [d for d in ALL if d.case == "average" or dtype is not torch.bfloat16]
    cells = [Cell(d, RADIUS, protocol) for d in some for protocol in PROTOCOLS]
    batch = (inputs.to(device), targets.to(device))
    model = copy.deepcopy(model).to(device, dtype)
    return dict(measure_cells(model, {"original": [batch]}, cells, effort=EFFORT))


def main() -> int:
    """Print a line for each kind and type of number; return 1 if a value differs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", default="cuda")
    device = parser.parse_args().device
    if device == "cuda" and not torch.cuda.is_available():
        print("there is no GPU here: nothing was compared; --device cpu compares types of numbers")
        return 0
    draw_on_the_cpu()
    wrong = 0
    for name, (made, drawn) in KINDS.items():
        torch.manual_seed(0)
        model, inputs, targets = made().eval(), drawn(), torch.arange(EXAMPLES) % 3
        right = measured(model, inputs, targets, torch.float64, "cpu")
        for dtype, (relative, absolute) in TOLERANCE.items():
            found = measured(model, inputs, targets, dtype, device)
            refused = [str(r) for r in found.values() if isinstance(r, UserError)]
            excess = [
                abs(a.value - b.value) / (relative * abs(b.value) + absolute)
                for a, b in ((found[cell], right[cell]) for cell in found)
                if isinstance(a, Estimate) and isinstance(b, Estimate)
            ]
            bad = max(excess, default=0.0) > 1 or (refused and dtype is not torch.bfloat16)
            wrong += bool(bad)
            kind = str(dtype).removeprefix("torch.")
            said = f"{max(excess, default=0.0):.1%} of the tolerance in {len(excess)} cells"
            print(f"{'WRONG' if bad else 'right'}  {name}, {kind} on {device}: {said}", end="")
            print(f"; {len(refused)} refused, such as: {refused[0]}" if refused else "", flush=True)
    return min(wrong, 1)


if __name__ == "__main__":
    sys.exit(main())
