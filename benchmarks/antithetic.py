"""How many draws do antithetic pairs (±δ) save at the radii of Table 3?

A small PreAct ResNet, trained on scikit-learn's digits, one batch of 64. For each average-case
definition and radius the variance of one draw of δ is compared with that of one pair, which costs
two forward passes: saving = var(draw) / (2 var(pair)). A saving of 1.5 means that pairs reach a
standard error with two thirds of the passes; below 1 single draws are better. Both variances come
from the same DRAWS perturbations in one run.

Measured (5,090 weights, 400 draws, float32, torch 2.15, one core of a CPU): pairs save a tenth
(raw logits) to two fifths (normalized) of the passes at the smallest adaptive radii, where the
first-order term still shows, and nothing from there on (0.6 to 1.25): at the paper's radii the even
orders rule, and δ and −δ tell nearly the same. Hence off by default.

    python benchmarks/antithetic.py
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from sklearn.datasets import load_digits
from torch import Tensor
from torch.nn.functional import cross_entropy

from sharpness.measures.average import sample_loss_changes
from sharpness.measures.ball import scaling, unit_noise
from sharpness.measures.network import Network
from sharpness.measures.objective import Objective
from sharpness.networks import build, initialise

DRAWS = 400
RADII = {"l2": (0.05, 0.1, 0.2, 0.4), "linf": (0.1, 0.2, 0.4, 0.8)}
SCALINGS = {"standard": False, "adaptive": True}


def trained() -> Objective:
    """The loss of a small network on 64 of the points that it was trained on."""
    images, labels = load_digits(return_X_y=True)
    x, y = torch.tensor(images).float().view(-1, 1, 8, 8) / 16, torch.tensor(labels)
    network = build(
        {"name": "preact-resnet", "width": 8, "blocks": [1, 1], "in_channels": 1, "classes": 10}
    )
    stream = torch.Generator().manual_seed(0)
    initialise(network, stream)
    optimiser = torch.optim.SGD(network.parameters(), lr=0.1, momentum=0.9)
    for _ in range(300):
        batch = torch.randint(len(x), (64,), generator=stream)
        loss = cross_entropy(network(x[batch]), y[batch])
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    error = (network.eval()(x).argmax(dim=1) != y).float().mean()
    print(f"{sum(p.numel() for p in network.parameters())} weights, error {error:.2%}")
    return Objective(Network(network), (x[:64], y[:64]), cross_entropy)


def savings(objective: Objective, norm: str, adaptive: bool, radius: float) -> Tensor:
    """Saving without and with logit normalization, (2,)."""
    weights = objective.network.weights
    width = radius * scaling(weights, adaptive)

    def noise(sign: int) -> Callable[[int], Tensor]:
        return lambda i: sign * unit_noise(norm, weights, 0, 0, i)

    up, down = (
        sample_loss_changes(objective, width, noise(s), DRAWS, [None, "rms"]) for s in (1, -1)
    )
    alone = torch.cat([up, down], dim=1).var(dim=1)
    return alone / (2 * ((up + down) / 2).var(dim=1))


def main() -> None:
    """Print one row per definition and radius of Table 3."""
    torch.set_num_threads(1)
    objective = trained()
    print(f"{'definition':<22}{'ρ':>6}{'raw logits':>14}{'normalized':>14}")
    for norm, radii in RADII.items():
        for name, adaptive in SCALINGS.items():
            for radius in radii:
                raw, normalized = savings(objective, norm, adaptive, radius).tolist()
                print(f"average-{norm}-{name:<10}{radius:>8}{raw:>14.2f}{normalized:>14.2f}")


if __name__ == "__main__":
    main()
