"""The losses ℓ(f, y) of Wen, Ma and Li (2023), and the test error of a task."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sharpness.simple.two_layer_relu.data import Task

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Loss:
    """ℓ(f, y) of an output f and a target y, and its derivatives by f.

    Squared error is (f − y)², without the usual half (Sec. 2). The logistic loss of a sign y with
    label smoothing p is the cross-entropy of σ(f) with the probability 1 − p of y = 1 and p of
    y = −1 (App. A); it is least at f = y ln((1 − p)/p).

    Attributes:
        kind: "mse" or "logistic".
        smoothing: p in [0, 1/2) of the logistic loss.
    """

    kind: str
    smoothing: float = 0.0

    def goal(self, y: npt.ArrayLike) -> Floats:
        """What the output is compared with: y itself, or the probability of +1; linear in y.

        Then dℓ/df is 2 (f − goal), or σ(f) − goal: all that a training step needs.
        """
        y = np.asarray(y, dtype=np.float64)
        return y if self.kind == "mse" else 0.5 + (0.5 - self.smoothing) * y

    def value(self, f: npt.ArrayLike, y: npt.ArrayLike) -> float:
        """The mean loss of outputs f with targets y, both (examples,)."""
        f, goal = np.asarray(f, dtype=np.float64), self.goal(y)
        losses = (f - goal) ** 2 if self.kind == "mse" else np.logaddexp(0, f) - goal * f
        return float(losses.mean())

    def slope(self, f: npt.ArrayLike, y: npt.ArrayLike) -> Floats:
        """dℓ/df of each example, (examples,)."""
        f, goal = np.asarray(f, dtype=np.float64), self.goal(y)
        return 2 * (f - goal) if self.kind == "mse" else _sigmoid(f) - goal

    def curvature(self, f: npt.ArrayLike, y: npt.ArrayLike) -> Floats:
        """d²ℓ/df² of each example, (examples,); it does not depend on y."""
        f = np.asarray(f, dtype=np.float64)
        return np.full_like(f, 2.0) if self.kind == "mse" else _sigmoid(f) * _sigmoid(-f)


def test_error(task: Task, outputs: npt.ArrayLike) -> float:
    """The share of wrong signs on the parity task, the mean squared error on the ball.

    An output that is 0 or NaN has the wrong sign.

    Args:
        task: the task.
        outputs: f of its test inputs, (t,).
    """
    f = np.asarray(outputs, dtype=np.float64)
    if task.name == "parity":
        return float(np.mean(~(f * task.test_targets > 0)))
    return float(np.mean((f - task.test_targets) ** 2))


def _sigmoid(f: Floats) -> Floats:
    """1/(1 + e^−f), which cannot overflow in this form."""
    return 0.5 * (1 + np.tanh(f / 2))
