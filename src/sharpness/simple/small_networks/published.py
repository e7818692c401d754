"""What Hammoud et al. (2023) found for their three networks."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Published:
    """One of the three scatter plots of Figure 1, 50 models.

    Attributes:
        title: network and data set.
        tau: Kendall's τ of sharpness and test loss (Sec. IV).
        p: its p-value, as the notebook prints it.
        sharpness: smallest and largest, read off the plot.
        test_loss: smallest and largest, read off the plot.
        test_accuracy: smallest and largest, from the notebook; empty where there is none.
        remark: what the notebook's number is, where that differs from its name.
    """

    title: str
    tau: float
    p: float
    sharpness: str
    test_loss: str
    test_accuracy: str
    remark: str


PUBLISHED = {
    "fcnn": Published(
        "FCNN/Abalone",
        -0.311,
        0.0014,
        "0.008 to 0.095",
        "0.457 to 0.514",
        "",
        "the notebook's counts of execution and printed losses suggest that the published plot "
        "pairs the ascents of one pool with the losses of another",
    ),
    "lenet": Published(
        "LeNet-5/Fashion-MNIST",
        -0.180,
        0.065,
        "0.425 to 0.663",
        "0.298 to 0.454",
        "",
        "nearly all of the notebook's measure is BatchNorm's statistics, which move in the ascent, "
        "and a step that is not projected",
    ),
    "gat": Published(
        "GAT/Cora",
        -0.185,
        0.058,
        "−0.27 to 0.67",
        "1.51 to 1.84",
        "0.295 to 0.764",
        "the notebook's measure has dropout on: see how far it agrees with itself",
    ),
}
"""By network, in the paper's order."""
