"""The neurons of a trained network: do they see the two signs that determine the answer?"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes

from sharpness.figures.codings import COLOURS
from sharpness.problem import Problem
from sharpness.simple.two_layer_relu.reading import Files, several
from sharpness.simple.two_layer_relu.runs import Run


def first_layer(files: Files, run: Run, seed: int) -> npt.NDArray[np.floating]:
    """W1 of a solution, (m, d).

    Raises:
        Problem: no file of weights has it.
    """
    from safetensors import safe_open

    name = f"{run.id}/{seed}/W1"
    for path in several(files, "weights"):
        with safe_open(path, framework="np") as stream:
            if name in stream.keys():  # noqa: SIM118
                return stream.get_tensor(name)
    raise Problem(f"{name} is in no file of weights; make two_layer_relu again")


def draw_neurons(above: Axes, below: Axes, W1: npt.NDArray[np.floating]) -> None:
    """Draw the first two weights of each neuron, and the norm of each column of W1.

    Args:
        above: for the neurons.
        below: for the columns.
        W1: first layer, (m, d).
    """
    above.scatter(W1[:, 0], W1[:, 1], s=7, color=COLOURS[0], alpha=0.7, lw=0)
    above.set_xlabel("first weight of the neuron", labelpad=2)
    above.set_ylabel("second weight", labelpad=2)
    norms = np.linalg.norm(W1, axis=0)
    places = np.arange(1, len(norms) + 1)
    colours = [COLOURS[3] if place <= 2 else COLOURS[0] for place in places]
    below.bar(places, norms, color=colours, width=0.75)
    below.set_xlabel("input", labelpad=2)
    below.set_ylabel("column norm of W1", labelpad=2)
