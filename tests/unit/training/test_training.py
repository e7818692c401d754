"""Training: the draw, the schedule, mixup, SAM, resuming, divergence, checkpoints."""

from __future__ import annotations

import json
import math
from collections import Counter
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn
from toys import RESNET

from sharpness.data.images import Images
from sharpness.data.small import digits
from sharpness.measures.error_rates import error_and_loss
from sharpness.networks import build
from sharpness.training import checkpoint, loop, optimizer
from sharpness.training import loader as batches_module
from sharpness.training.checkpoint import State
from sharpness.training.hyperparameters import (
    Hyperparameters,
    Space,
    Training,
    draw_hyperparameters,
    learning_rate,
)
from sharpness.training.loader import batches, mixup
from sharpness.training.loop import train_model
from sharpness.training.optimizer import Learner, perturbed_weights
from sharpness.training.records import Task

PLAIN = Hyperparameters(learning_rate=0.1, sam_rho=0.0, mixup=False, augment=False)
EVERYTHING = Hyperparameters(learning_rate=0.1, sam_rho=0.05, mixup=True, augment=True)
CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def images() -> Images:
    """90 digits: with batches of 32, the last has 26."""
    return digits("train").subset(slice(0, 90))


def task(hyperparameters: Hyperparameters = PLAIN, **settings: Any) -> Task:
    chosen = Training(**{"epochs": 3, "batch_size": 32, **settings})
    return Task(0, 1, RESNET, hyperparameters, chosen)


# The draw


def test_a_draw_depends_on_seed_and_index_alone() -> None:
    space = Space(learning_rate=(0.05, 5.0))
    assert [draw_hyperparameters(0, i, space) for i in (3, 1)] == [
        draw_hyperparameters(0, 3, space),
        draw_hyperparameters(0, 1, space),
    ]
    assert (
        draw_hyperparameters(0, 1, space)
        != draw_hyperparameters(1, 1, space)
        != draw_hyperparameters(1, 0, space)
    )
    # Pinned: published pools would change with these numbers.
    assert draw_hyperparameters(0, 0, space) == Hyperparameters(0.80259, 0.05, True, False)
    assert draw_hyperparameters(0, 5, space) == Hyperparameters(0.093403, 0.0, False, True)
    # A narrower space changes no other draw.
    fixed = Space(learning_rate=(1.0, 1.0), sam_rho=[0.3], mixup=1.0)
    for index in range(20):
        assert draw_hyperparameters(0, index, fixed) == Hyperparameters(
            1.0, 0.3, mixup=True, augment=draw_hyperparameters(0, index, space).augment
        )


def test_draws_have_the_papers_distribution() -> None:
    space, n = Space(learning_rate=(0.005, 0.5)), 3000
    drawn = [draw_hyperparameters(7, index, space) for index in range(n)]
    decades = np.log10([h.learning_rate for h in drawn])
    assert math.log10(0.005) <= decades.min() < -2.29
    assert -0.31 < decades.max() <= math.log10(0.5)
    fractions, _ = np.histogram(decades, bins=5, range=(math.log10(0.005), math.log10(0.5)))
    assert np.allclose(fractions / n, 0.2, atol=0.03)
    counts = Counter((h.sam_rho, h.mixup, h.augment) for h in drawn)
    assert len(counts) == 12
    assert all(abs(count / n - 1 / 12) < 0.02 for count in counts.values())


# The schedule


@given(st.integers(1, 500), st.floats(0.01, 5.0), st.floats(0.05, 0.95))
def test_the_schedule_is_the_papers_interpolation(n: int, peak: float, warmup: float) -> None:
    steps = np.arange(n)
    expected = np.interp(steps, [0, warmup * n, n], [0, peak, 0])
    rates = [learning_rate(int(step), n, peak, warmup) for step in steps]
    assert np.allclose(rates, expected, rtol=1e-9, atol=1e-12)


# The batches


def test_an_epoch_visits_each_image_once_in_a_new_order(images: Images) -> None:
    seen = []
    for epoch in (0, 1):
        made = list(batches(task(), images, epoch))
        assert [len(inputs) for inputs, _ in made] == [32, 32, 26]
        seen.append(torch.cat([inputs for inputs, _ in made]))
        labels = torch.cat([targets for _, targets in made])
        assert torch.equal(labels.sort().values, images.labels.sort().values)
    assert not torch.equal(*seen)
    rows = [sorted(map(tuple, epoch.flatten(1).tolist())) for epoch in seen]
    assert rows[0] == rows[1] == sorted(map(tuple, images.normalized().flatten(1).tolist()))


def test_augmented_steps_hold_two_views_of_each_image(
    images: Images, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Stands for an augmentation that keeps the image recognisable: its first pixel is a draw.
    def marked(pixels: Tensor, generator: torch.Generator, flip: bool, rounds: int) -> Tensor:
        assert flip == images.flip
        views = pixels.clone()
        views[:, 0, 0, 0] = torch.randint(1, 256, (len(views),), generator=generator)
        return views

    monkeypatch.setattr(batches_module, "augment", marked)
    augmented = task(replace(PLAIN, augment=True))
    plain = [inputs for inputs, _ in batches(task(), images, 0)]
    made = list(batches(augmented, images, 0))
    assert [len(inputs) for inputs, _ in made] == [64, 64, 52]
    for (inputs, targets), original in zip(made, plain, strict=True):
        one, two = inputs.flatten(1).chunk(2)
        assert torch.equal(one[:, 1:], two[:, 1:])
        assert torch.equal(one[:, 1:], original.flatten(1)[:, 1:])
        assert (one[:, 0] != two[:, 0]).float().mean() > 0.9
        assert torch.equal(*targets.chunk(2))
    again = list(batches(augmented, images, 0))
    assert all(torch.equal(a, b) for (a, _), (b, _) in zip(made, again, strict=True))


def test_mixup_mixes_images_and_labels_alike() -> None:
    # Labels written into the images show which rows were mixed.
    labels = torch.arange(10).repeat(3)
    inputs = torch.eye(10)[labels].view(30, 1, 1, 10)
    mixed, targets = mixup(inputs, labels, 10, 0.7, torch.Generator().manual_seed(0))
    torch.testing.assert_close(mixed.view(30, 10), targets)
    torch.testing.assert_close(targets.sum(1), torch.ones(30))
    own = targets.gather(1, labels[:, None])[:, 0]
    assert 7 in set(own.mul(10).round().int().tolist()) <= {7, 10}  # 10: a partner of its class
    # Every row is somebody's partner once.
    torch.testing.assert_close(targets.sum(0), torch.full((10,), 3.0))


def test_mixup_draws_one_weight_a_batch_from_beta() -> None:
    many = digits("train")
    shares = []
    for _, targets in batches(task(replace(PLAIN, mixup=True), batch_size=4), many, 0):
        parts = sorted({round(float(part), 4) for part in targets[targets > 0]} - {1.0})
        assert len(parts) <= 2  # λ and 1 - λ
        shares += [max(parts)] if len(parts) == 2 else []
    # The larger of λ and 1 - λ for Beta(½, ½) has the median (1 + cos(π/4)) / 2.
    assert len(shares) > 150
    assert np.median(shares) == pytest.approx((1 + math.cos(math.pi / 4)) / 2, abs=0.04)


# SAM


def test_sam_goes_up_by_rho_along_the_gradient_and_comes_back() -> None:
    weights = [torch.tensor([1.0, 2.0], dtype=torch.float64), torch.tensor([0.1]).double()]
    before = [w.clone() for w in weights]
    gradients = (torch.tensor([3.0, 0.0]).double(), torch.tensor([4.0]).double())
    with perturbed_weights(weights, gradients, 0.5):
        torch.testing.assert_close(weights[0], torch.tensor([1.3, 2.0]).double())
        torch.testing.assert_close(weights[1], torch.tensor([0.5]).double())
    assert all(torch.equal(w, b) for w, b in zip(weights, before, strict=True))
    with perturbed_weights(weights, tuple(map(torch.zeros_like, weights)), 0.5):
        assert all(torch.equal(w, b) for w, b in zip(weights, before, strict=True))


class Quadratic(nn.Module):
    """With cross-entropy replaced by the mean, the loss is ½ Σ a w²."""

    def __init__(self) -> None:
        super().__init__()
        self.w = nn.Parameter(torch.tensor([1.0, -2.0, 0.5], dtype=torch.float64))

    def forward(self, a: Tensor) -> Tensor:
        return 0.5 * (a * self.w**2).sum(1)


@pytest.mark.parametrize("rho", [0.0, 0.1])
def test_a_step_on_a_quadratic_has_its_closed_form(
    rho: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(optimizer, "build", lambda _: Quadratic())
    monkeypatch.setattr(optimizer, "cross_entropy", lambda logits, _: logits.mean())
    a = torch.tensor([[3.0, 1.0, 2.0]], dtype=torch.float64)
    made = Learner(task(replace(PLAIN, sam_rho=rho)), CPU)
    w = made.network.w.detach().clone()
    momentum = torch.zeros(3, dtype=torch.float64)
    for rate in (0.1, 0.2):
        gradient = a[0] * w
        gradient = a[0] * (w + rho * gradient / gradient.norm())
        momentum = 0.9 * momentum + gradient
        w = w - rate * momentum
        made.step(a, torch.zeros(1), rate)
        torch.testing.assert_close(made.network.w.detach(), w, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("compile_it", [False, True])
def test_sams_second_pass_leaves_batchnorm_statistics_alone(
    images: Images, compile_it: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if compile_it:  # the same graphs as in production, without their slow translation
        eager = torch.compile
        monkeypatch.setattr(torch, "compile", lambda m, **k: eager(m, backend="aot_eager", **k))
    inputs, targets = next(iter(batches(task(), images, 0)))
    made = Learner(task(replace(PLAIN, sam_rho=0.1), compile=compile_it), CPU)
    plain = build(RESNET)
    plain.load_state_dict(made.network.state_dict())
    made.network.train()
    plain.train()
    for _ in range(2):
        made.step(inputs, targets, 0.0)
        plain(inputs)
    found = dict(made.network.named_buffers())
    assert int(found["bn.num_batches_tracked"]) == 2
    for name, buffer in plain.named_buffers():
        torch.testing.assert_close(found[name], buffer, rtol=1e-5, atol=1e-6)
    assert found["bn.running_mean"].any()


# The whole training


def test_a_network_learns_and_its_record_says_so(tmp_path: Path) -> None:
    data = digits("train").subset(slice(0, 300))
    trained = train_model(task(replace(PLAIN, learning_rate=0.2), epochs=15), data, tmp_path)
    record = trained.record
    assert (record["status"], record["reason"], record["epochs"]) == ("ok", "", 15)
    assert record["train_error"] <= 0.02
    assert record["hyperparameters"] == asdict(replace(PLAIN, learning_rate=0.2))
    assert record["architecture"] == RESNET
    assert record["data"] == {"title": "digits", "digest": data.digest()}
    curve = record["curve"]
    assert [row["epoch"] for row in curve] == list(range(1, 16))
    assert curve[-1]["loss"] < 0.2 < curve[0]["loss"]
    assert curve[-1]["error"] < 0.05 < curve[0]["error"]
    assert max(row["learning_rate"] for row in curve) == pytest.approx(0.2, rel=0.2)
    assert json.loads(json.dumps(record, allow_nan=False)) == record
    network = build(RESNET)
    network.load_state_dict(trained.weights)
    error, loss = error_and_loss(network, data)
    # Another memory layout adds in another order.
    assert (error, loss) == (record["train_error"], pytest.approx(record["train_loss"], rel=1e-5))


class Killed(BaseException):
    """Nothing catches it, as nothing catches a kill."""


def interrupted(
    monkeypatch: pytest.MonkeyPatch, where: Any, name: str, after: int, *, first: bool
) -> None:
    """Let a function run ``after`` times, then die before or after its next call."""
    original, calls = getattr(where, name), []

    def dies(*arguments: Any, **named: Any) -> Any:
        calls.append(1)
        if first and len(calls) > after:
            raise Killed
        result = original(*arguments, **named)
        if len(calls) > after:
            raise Killed
        return result

    monkeypatch.setattr(where, name, dies)


@pytest.mark.parametrize(
    ("where", "name", "after", "first", "epochs"),
    [
        (State, "save", 1, False, 2),  # just after the second epoch was saved
        (State, "save", 1, True, 1),  # just before it was
        (Learner, "step", 4, True, 1),  # in the middle of the second epoch
        (loop, "error_and_loss", 0, True, 3),  # after the last epoch
    ],
)
def test_a_resumed_training_ends_in_the_same_bits(
    images: Images,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    where: Any,
    name: str,
    after: int,
    first: bool,
    epochs: int,
) -> None:
    whole = train_model(task(EVERYTHING), images, tmp_path / "whole")
    with monkeypatch.context() as patch:
        interrupted(patch, where, name, after, first=first)
        with pytest.raises(Killed):
            train_model(task(EVERYTHING), images, tmp_path / "cut")
    (file,) = (tmp_path / "cut").iterdir()
    state = State.load(file)
    assert state is not None
    assert len(state.curve) == epochs
    resumed = train_model(task(EVERYTHING), images, tmp_path / "cut")
    assert resumed.record == whole.record
    assert file.read_bytes() == (tmp_path / "whole" / file.name).read_bytes()
    assert all(torch.equal(resumed.weights[k], w) for k, w in whole.weights.items())


def test_a_finished_training_is_not_repeated_and_a_damaged_state_is_made_again(
    images: Images, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = train_model(task(epochs=1), images, tmp_path)
    (file,) = tmp_path.iterdir()
    whole = file.read_bytes()
    with monkeypatch.context() as patch:
        patch.delattr(loop, "Learner")
        again = train_model(task(epochs=1), images, tmp_path)
    assert again.record == first.record
    assert again.weights.keys() == first.weights.keys()
    assert all(torch.equal(again.weights[name], w) for name, w in first.weights.items())
    file.write_bytes(whole[:100])
    assert train_model(task(epochs=1), images, tmp_path).record == first.record
    assert file.read_bytes() == whole


def test_another_task_has_another_state(images: Images) -> None:
    base = task()
    others = [
        replace(base, seed=5),
        replace(base, index=5),
        replace(base, architecture={**RESNET, "width": 5}),
        task(replace(PLAIN, learning_rate=0.2)),
        task(epochs=4),
    ]
    names = {one.digest(images) for one in [base, *others]}
    names |= {base.digest(images.subset(slice(0, 50))), base.digest(replace(images, mean=(0.0,)))}
    assert len(names) == 8
    assert base.digest(images) == task().digest(digits("train").subset(slice(0, 90)))


def test_a_diverged_training_is_recorded(images: Images, tmp_path: Path) -> None:
    wild = replace(EVERYTHING, learning_rate=1e30)
    trained = train_model(task(wild, epochs=5), images, tmp_path)
    record = trained.record
    assert record["status"] == "diverged"
    assert "not finite in epoch 1" in record["reason"]
    assert record["epochs"] == 1
    assert record["train_error"] == 1.0
    assert record["train_loss"] is None
    assert record["curve"][-1]["loss"] is None
    json.dumps(record, allow_nan=False)
    assert train_model(task(wild, epochs=5), images, tmp_path).record == record


def test_mixed_precision_trains(images: Images, tmp_path: Path) -> None:
    coarse = train_model(task(precision="bfloat16"), images, tmp_path).record
    fine = train_model(task(), images, tmp_path).record
    assert coarse["status"] == "ok"
    assert coarse["train_loss"] != fine["train_loss"]
    assert coarse["train_loss"] == pytest.approx(fine["train_loss"], rel=0.1)


# Checkpoints


def test_a_checkpoint_comes_back_whole(tmp_path: Path) -> None:
    network, path = build(RESNET), tmp_path / "model.safetensors"
    metadata = {"architecture": RESNET, "source": "ρ"}
    checkpoint.save(path, network.state_dict(), metadata)
    weights, found = checkpoint.load(path)
    assert found == metadata
    assert weights.keys() == network.state_dict().keys()
    model = checkpoint.load_model(path)
    assert not model.training
    assert all(torch.equal(w, model.state_dict()[k]) for k, w in network.state_dict().items())


def test_equal_input_gives_equal_bytes_in_any_order(tmp_path: Path) -> None:
    one, other = tmp_path / "one.safetensors", tmp_path / "other.safetensors"
    for path, names in ((one, "abcdefgh"), (other, "hcgadbfe")):
        weights = {name: torch.full((3,), float(ord(name))) for name in names}
        checkpoint.save(path, weights, {"all": dict.fromkeys(names, 1)})
    assert one.read_bytes() == other.read_bytes()
