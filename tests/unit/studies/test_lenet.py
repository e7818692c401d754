"""The LeNet-5 of Hammoud et al. (2023): the network, its training, both measures."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from small_data import IMAGES, clothes
from torch import nn
from torch.nn.functional import cross_entropy, max_pool2d, relu

from sharpness.studies.hammoud import lenet
from sharpness.studies.hammoud.lenet import (
    KEEP,
    SHAPES,
    LenetExamples,
    dropout,
    fresh_statistics,
    lenet_epoch,
    lenet_initial,
    lenet_outputs,
    logits,
    loss_and_slope,
    mean_loss,
    normalized,
    train_lenet,
)
from sharpness.studies.hammoud.procedures import LENET
from sharpness.studies.hammoud.stacks import Box, ascent_sharpness

TEXT, CODE = LENET["text"], LENET["code"]
SHORT = replace(TEXT, epochs=3, restarts=3, rounds=2)


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.fixture(scope="module")
def examples():
    return normalized(clothes().train_images, clothes().train_labels)


@pytest.fixture(scope="module")
def trained(examples):
    return train_lenet(examples, replace(TEXT, epochs=3), generator())


class Reference(nn.Module):
    """The network of the description, in the library's own modules."""

    def __init__(self, kept):
        super().__init__()
        self.conv1, self.norm1 = nn.Conv2d(1, 12, 5), nn.BatchNorm2d(12)
        self.conv2, self.norm2 = nn.Conv2d(12, 32, 5), nn.BatchNorm2d(32)
        self.fc1, self.fc2, self.fc3 = nn.Linear(512, 256), nn.Linear(256, 128), nn.Linear(128, 10)
        self.kept = kept

    def dropped(self, x, units):
        """Dropout before ReLU, as in the notebook."""
        return x * self.kept[:, units] if self.training else x

    def forward(self, x):
        x = max_pool2d(relu(self.norm1(self.conv1(x))), 2)
        x = max_pool2d(relu(self.norm2(self.conv2(x))), 2)
        x = relu(self.dropped(self.fc1(x.flatten(1)), slice(None, 256)))
        x = relu(self.dropped(self.fc2(x), slice(256, None)))
        return self.fc3(x)


@pytest.fixture
def reference(trained):
    kept = dropout(64, generator(3))
    network = Reference(kept)
    statistics = {
        name.replace("mean", "running_mean").replace("variance", "running_var"): value.clone()
        for name, value in trained.statistics.items()
    }
    network.load_state_dict(trained.weights | statistics, strict=False)
    return network


def copies(statistics):
    return {name: value.clone() for name, value in statistics.items()}


def test_the_network_has_the_layers_and_the_parameters_of_the_description(reference):
    assert {name: tuple(p.shape) for name, p in reference.named_parameters()} == SHAPES
    assert sum(map(math.prod, SHAPES.values())) == 175_546


@pytest.mark.parametrize("train_mode", [True, False])
def test_the_function_is_that_of_the_library_s_modules(reference, trained, examples, train_mode):
    batch = examples[torch.arange(64)]
    statistics = copies(trained.statistics)
    reference.train(train_mode)
    kept = reference.kept if train_mode else None
    ours = logits(trained.weights, statistics, batch.images, kept)
    torch.testing.assert_close(ours, reference(batch.images), rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(statistics["norm2.variance"], reference.norm2.running_var)
    torch.testing.assert_close(statistics["norm1.mean"], reference.norm1.running_mean)
    assert statistics["norm1.mean"].equal(trained.statistics["norm1.mean"]) != train_mode


def test_the_slope_is_that_of_the_library_s_modules(reference, trained, examples):
    batch = examples[torch.arange(64)]
    loss, slope = loss_and_slope(trained.weights, copies(trained.statistics), batch, generator(3))
    theirs = cross_entropy(reference(batch.images), batch.labels)
    theirs.backward()
    assert loss == pytest.approx(theirs.item(), rel=1e-5)
    for name, parameter in reference.named_parameters():
        torch.testing.assert_close(slope[name], parameter.grad, rtol=1e-3, atol=1e-5)


def test_dropout_keeps_half_of_the_units_and_the_mean():
    kept = dropout(500, generator())
    assert kept.shape == (500, 384)
    assert set(kept.unique().tolist()) == {0.0, 1 / KEEP}
    assert kept.mean().item() == pytest.approx(1, abs=0.02)


@pytest.mark.parametrize(
    ("name", "xavier", "standard"),
    [
        ("conv2.weight", math.sqrt(6 / (300 + 800)), 1 / math.sqrt(300)),
        ("fc1.weight", math.sqrt(6 / (512 + 256)), 1 / math.sqrt(512)),
        ("fc1.bias", 0, 1 / math.sqrt(512)),
    ],
)
def test_initial_weights_fill_their_bounds(name, xavier, standard):
    for kind, bound in (("xavier", xavier), ("torch", standard)):
        weights = lenet_initial(kind, generator())
        assert 0.95 * bound <= weights[name].abs().max().item() <= bound
        assert weights["norm1.weight"].eq(1).all()
        assert weights["norm2.bias"].eq(0).all()


def test_images_are_normalized_and_keep_their_layout(examples):
    batch = examples[torch.tensor([5, 3])]
    expected = (clothes().train_images[[5, 3]] / 255 - 0.2860) / 0.3530
    np.testing.assert_allclose(batch.images[:, 0].numpy(), expected, rtol=1e-5, atol=1e-6)
    assert batch.images.stride() == (784, 1, 28, 1)
    assert batch.labels.tolist() == clothes().train_labels[[5, 3]].tolist()


def test_an_epoch_visits_every_example_once_in_a_new_order(examples):
    numbered = LenetExamples(examples.images, torch.arange(IMAGES))
    draws = generator()
    first, second = (list(lenet_epoch(numbered, 64, draws)) for _ in range(2))
    assert [len(batch) for batch in first] == [64, 8]
    orders = [torch.cat([b.labels for b in batches]).tolist() for batches in (first, second)]
    assert sorted(orders[0]) == sorted(orders[1]) == list(range(IMAGES))
    assert orders[0] != orders[1]


def test_the_mean_of_batch_means_weighs_a_small_last_batch_more():
    found = torch.zeros(5, 2)
    found[4, 0] = -3.0
    labels = torch.zeros(5, dtype=torch.int64)
    small, large = math.log(2), math.log(1 + math.exp(3))
    assert mean_loss(found, labels) == pytest.approx((4 * small + large) / 5)
    assert mean_loss(found, labels, 4) == pytest.approx((small + large) / 2)


def test_training_learns_and_stops_by_the_rule(examples):
    ended = train_lenet(examples, TEXT, generator())
    changes = -np.diff(ended.losses) / ended.losses[:-1]
    assert ended.losses[-1] < ended.losses[0]
    assert len(ended.losses) == 10 or abs(changes[-1]) < 0.05
    assert (np.abs(changes[:-1]) >= 0.05).all()
    assert len(train_lenet(examples, replace(TEXT, epochs=2), generator()).losses) == 2


def test_eval_after_the_first_epoch_freezes_the_statistics_and_ends_dropout(examples):
    one, two = (
        train_lenet(examples, replace(TEXT, eval_after_first_epoch=True, epochs=n), generator())
        for n in (1, 2)
    )
    for name, statistic in one.statistics.items():
        assert statistic.equal(two.statistics[name])
        assert not statistic.equal(fresh_statistics()[name])
    # Without dropout, the order is all that the generator gives to the second epoch.
    draws = generator()
    train_lenet(examples, replace(TEXT, epochs=1), draws)
    weights, statistics = one.weights, copies(one.statistics)
    for batch in lenet_epoch(examples, 64, draws):
        _, slope = loss_and_slope(weights, statistics, batch, None)
        weights = {name: w - 0.05 * slope[name] for name, w in weights.items()}
    for name, w in weights.items():
        torch.testing.assert_close(two.weights[name], w, rtol=1e-5, atol=1e-7)


def test_weight_decay_shrinks_every_weight_each_step(examples):
    batch = examples[torch.arange(64)]
    plain, decayed = (
        train_lenet(batch, replace(TEXT, weight_decay=decay, epochs=1), generator()).weights
        for decay in (0.0, 0.4)
    )
    start = lenet_initial("xavier", generator())
    for name, w in start.items():
        torch.testing.assert_close(plain[name] - decayed[name], 0.05 * 0.4 * w, rtol=0, atol=1e-6)


def test_a_measurement_leaves_the_model_as_it_was(trained, examples):
    weights, statistics = copies(trained.weights), copies(trained.statistics)
    lenet.lenet_sharpness(trained, examples, CODE, generator())
    assert all(w.equal(trained.weights[name]) for name, w in weights.items())
    assert all(s.equal(trained.statistics[name]) for name, s in statistics.items())


def test_the_text_s_measure_is_the_ascent_of_the_other_networks(trained, examples):
    ours = lenet.lenet_sharpness(trained, examples, SHORT, generator(1))
    draws = generator(1)
    batches = [examples[torch.randint(IMAGES, (64,), generator=draws)] for _ in range(3)]

    def loss(weights, S):
        alone = {name: w[0] for name, w in weights.items()}
        return cross_entropy(logits(alone, trained.statistics, S.images), S.labels)[None]

    stacked = {name: w[None] for name, w in trained.weights.items()}
    theirs = ascent_sharpness(stacked, loss, batches, rho=1e-4, learning_rate=0.05, steps=2)
    assert ours > 1e-5
    assert ours == pytest.approx(theirs.item(), abs=1e-6)


class PointEncoding:
    """Every (weights, statistics) whose loss over a set is asked for."""

    def __init__(self, monkeypatch):
        self.seen = []
        monkeypatch.setattr(lenet, "lenet_outputs", self)

    def __call__(self, weights, statistics, examples):
        self.seen.append((weights, copies(statistics)))
        return lenet_outputs(weights, statistics, examples)


def inside(weights, centre, rho):
    box = Box.around(centre, rho)
    return all(
        (w >= box.low[name]).all() and (w <= box.high[name]).all() for name, w in weights.items()
    )


def test_the_code_s_ascent_moves_statistics_and_centre(trained, examples, monkeypatch):
    looks = PointEncoding(monkeypatch)
    lenet.lenet_sharpness(trained, examples, CODE, generator())
    (_, before), *after = looks.seen
    assert len(after) == 5
    for weights, statistics in after:
        assert not inside(weights, trained.weights, 1e-4)
        assert inside(weights, after[0][0], 2.1e-4)
        assert not any(s.equal(before[name]) for name, s in statistics.items())


def test_the_first_step_of_the_code_s_ascent_is_not_projected(trained, examples, monkeypatch):
    looks = PointEncoding(monkeypatch)
    procedure = replace(TEXT, restarts=1, rounds=1, centre_after_first_step=True)
    lenet.lenet_sharpness(trained, examples, procedure, generator(4))
    S = examples[torch.randint(IMAGES, (64,), generator=generator(4))]
    _, slope = loss_and_slope(trained.weights, copies(trained.statistics), S, None)
    _, (weights, _) = looks.seen
    for name, w in weights.items():
        torch.testing.assert_close(w, trained.weights[name] + 0.05 * slope[name])
