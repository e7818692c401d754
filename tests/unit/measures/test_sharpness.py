"""One cell, many cells: what is shared, what is left alone, what is refused."""

from __future__ import annotations

import copy
import math
from collections.abc import Iterable
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn
from toys import (
    STANDARD_L2,
    Batches,
    LiveBytes,
    Words,
    flat,
    noisy_points,
    sentences,
    smooth_network,
)

from sharpness import Cell, Definition, Effort, Estimate, sharpness, sharpness_table
from sharpness.io.errors import UserError
from sharpness.measures.cell_values import ObjectiveCache
from sharpness.measures.definition import ALL, PROTOCOLS
from sharpness.measures.sharpness import measure_cells

AVERAGE = Definition("average", "l2", adaptive=True, logit_norm=False)
WORST = Definition("worst", "linf", adaptive=True, logit_norm=False)
EFFORT = Effort(steps=3, samples=4)


def small_points() -> Batches:
    inputs, labels = noisy_points(14, seed=0)
    return [(inputs[:8], labels[:8]), (inputs[8:], labels[8:])]


def results(
    cells: Iterable[Cell], model: nn.Module | None = None, batches: Batches | None = None
) -> dict[Cell, Estimate | UserError]:
    data = {"original": small_points() if batches is None else batches}
    found = list(measure_cells(model or smooth_network(0), data, cells, effort=EFFORT))  # type: ignore[arg-type]
    assert len(found) == len(dict(found))  # each cell once
    return dict(found)


def test_a_table_holds_what_each_cell_holds_alone() -> None:
    model, batches = smooth_network(0), small_points()
    cells = [Cell(d, 0.1, p) for d in reversed(ALL) for p in PROTOCOLS]
    table = sharpness_table(model, batches, cells, effort=EFFORT, seed=5)
    assert list(table) == cells
    for cell, estimate in table.items():
        alone = sharpness(
            model,
            batches,
            cell.definition,
            0.1,
            protocol=cell.protocol,
            seed=5,
            steps=EFFORT.steps,
            samples=EFFORT.samples,
        )
        assert repr(alone) == repr(estimate)
    assert len({estimate.value for estimate in table.values()}) > 20


def test_average_cells_that_differ_in_logits_and_protocol_share_their_passes() -> None:
    model, passes = smooth_network(0), []
    model.register_forward_hook(lambda *_: passes.append(1))
    definitions = [AVERAGE, replace(AVERAGE, logit_norm=True)]
    cells = [Cell(d, 0.1, protocol) for d in definitions for protocol in PROTOCOLS]
    sharpness_table(model, small_points(), cells)
    # Two batches; raw, rms and norm logits at the weights; the draws of the paper hold the code's.
    # Before them, three passes check that the model is a function of its weights.
    assert len(passes) == 3 + 2 * (3 + PROTOCOLS["paper"].samples)


def test_the_seed_alone_decides_and_batches_have_noise_of_their_own() -> None:
    model, point = smooth_network(0), noisy_points(8, seed=0)
    for definition in (AVERAGE, STANDARD_L2):
        torch.manual_seed(1)  # the global state does not matter, and stays as it is
        before = torch.random.get_rng_state()
        found = [sharpness(model, [point, point], definition, 0.1, seed=seed) for seed in (0, 1)]
        assert torch.equal(torch.random.get_rng_state(), before)
        torch.manual_seed(2)
        assert repr(sharpness(model, [point, point], definition, 0.1, seed=0)) == repr(found[0])
        assert found[0].value != found[1].value
        first, second = found[0].per_batch
        assert first != second


def test_the_protocols_share_their_first_draws() -> None:
    model, batches = smooth_network(0), small_points()
    twenty = sharpness(model, batches, AVERAGE, 0.1, protocol="paper", samples=20)
    released = sharpness(model, batches, AVERAGE, 0.1, protocol="released")
    knobs = replace(PROTOCOLS["released"], name="mine", samples=20)
    assert repr(sharpness(model, batches, AVERAGE, 0.1, protocol=knobs)) == repr(released)
    assert repr(twenty) == repr(released)
    table = sharpness_table(model, batches, [Cell(AVERAGE, 0.1, p) for p in PROTOCOLS])
    assert repr(table[Cell(AVERAGE, 0.1, "released")]) == repr(released)
    assert table[Cell(AVERAGE, 0.1)].value != released.value


@pytest.mark.parametrize("definition", [AVERAGE, WORST])
def test_the_model_is_left_as_it_was(resnet: nn.Module, definition: Definition) -> None:
    model = copy.deepcopy(resnet)
    model.train()
    next(model.children()).eval()
    state = copy.deepcopy(model.state_dict())
    flags = [module.training for module in model.modules()]
    points = [(torch.rand(4, 1, 8, 8), torch.arange(4))]
    found = sharpness(model, points, definition, 0.1, steps=2, samples=2)
    # BatchNorm uses its running statistics.
    assert repr(found) == repr(sharpness(resnet, points, definition, 0.1, steps=2, samples=2))
    with pytest.raises(UserError) as raised:
        sharpness(model, [(points[0][0] * torch.nan, points[0][1])], definition, 0.1)
    assert raised.value.__traceback__ is not None  # still alive, as while it is being handled
    bad = [Cell(definition, 0.1, data="augmented"), Cell(definition, 0.1)]
    with pytest.raises(UserError, match="augmented"):
        sharpness_table(model, points, bad, effort=EFFORT)
    assert [module.training for module in model.modules()] == flags
    assert all(p.grad is None and p.requires_grad for p in model.parameters())
    for name, value in model.state_dict().items():
        assert torch.equal(value, state[name]), name


def test_zero_weights_do_not_move_and_make_no_nan() -> None:
    """A model with zeros is as sharp as one from which the zero weights are fixed."""
    whole = smooth_network(0)
    whole[0].weight.data[0] = 0.0
    whole[0].bias.data.zero_()

    class Fixed(nn.Module):
        """The same function; what is zero is no parameter."""

        def __init__(self) -> None:
            super().__init__()
            self.rows = nn.Parameter(whole[0].weight.data[1:].clone())
            self.head = whole[2]

        def forward(self, x: Tensor) -> Tensor:
            hidden = torch.tanh(x @ self.rows.T)
            return self.head(torch.cat([torch.zeros_like(hidden[:, :1]), hidden], dim=1))

    for norm in ("l2", "linf"):
        definition = Definition("worst", norm, adaptive=True, logit_norm=False)  # type: ignore[arg-type]
        for protocol in PROTOCOLS:
            found = [
                sharpness(model, small_points(), definition, 0.05, protocol=protocol, steps=60)
                for model in (whole, Fixed())
            ]
            # Starts and step lengths differ; the set, and so the maximum, is the same.
            assert found[0].value == pytest.approx(found[1].value, rel=5e-3)
    zeros = smooth_network(0)
    for parameter in zeros.parameters():
        parameter.data.zero_()
    cells = [Cell(d, 1.0, protocol) for d in ALL if d.adaptive for protocol in PROTOCOLS]
    table = sharpness_table(zeros, small_points(), cells, effort=EFFORT)
    assert all(estimate.value == 0 for estimate in table.values())


def test_m_divides_the_same_points_anew() -> None:
    model, batches = smooth_network(0), small_points()
    inputs, labels = noisy_points(14, seed=0)
    by_hand = [(inputs[i : i + 4], labels[i : i + 4]) for i in (0, 4, 8, 12)]
    for definition in (AVERAGE, WORST):
        cell = Cell(definition, 0.1, m=4)
        found = sharpness_table(model, batches, [cell, Cell(definition, 0.1)], effort=EFFORT)
        expected = sharpness(model, by_hand, definition, 0.1, steps=3, samples=4)
        assert repr(found[cell]) == repr(expected)
        assert found[cell].examples == (4, 4, 4, 2)
        assert found[Cell(definition, 0.1)].examples == (8, 6)


def test_a_cell_knows_its_own_steps_and_points() -> None:
    model, batches = smooth_network(0), small_points()
    views = [(inputs + 0.3, labels) for inputs, labels in batches]
    cells = [Cell(STANDARD_L2, 0.5), Cell(STANDARD_L2, 0.5, steps=9)]
    cells += [Cell(STANDARD_L2, 0.5, data="augmented")]
    table = sharpness_table(model, batches, cells, augmented=views, effort=EFFORT)
    for cell, data, steps in zip(cells, (batches, batches, views), (3, 9, 3), strict=True):
        assert table[cell].value == sharpness(model, data, STANDARD_L2, 0.5, steps=steps).value
    assert len({estimate.value for estimate in table.values()}) == 3


def test_keyword_tensors_are_measured_as_their_tensors_are() -> None:
    class Named(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = smooth_network(0)

        def forward(self, *, features: Tensor) -> Tensor:
            return self.inner(features)

    named = [({"features": inputs}, labels) for inputs, labels in small_points()]
    for definition in (AVERAGE, WORST):
        found = sharpness(Named(), named, definition, 0.1, steps=3, samples=4)
        expected = sharpness(smooth_network(0), small_points(), definition, 0.1, steps=3, samples=4)
        assert repr(found) == repr(expected)
        cell = Cell(definition, 0.1, m=4)  # divides them anew
        tables = [
            sharpness_table(model, data, [cell], effort=EFFORT)
            for model, data in ((Named(), named), (smooth_network(0), small_points()))
        ]
        assert repr(tables[0]) == repr(tables[1])


def test_what_cannot_be_measured_is_refused() -> None:
    with pytest.raises(UserError, match="radius is"):
        sharpness(smooth_network(0), small_points(), WORST, -1.0)
    with pytest.raises(UserError, match="no batches of original data"):
        sharpness(smooth_network(0), [], WORST, 0.1)


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (Cell(AVERAGE, 0.0), "radius is 0"),
        (Cell(WORST, math.nan), "radius is nan"),
        (Cell(WORST, math.inf), "radius is inf"),
        (Cell(AVERAGE, 0.1, "papre"), "protocol 'papre' is unknown"),
        (Cell(AVERAGE, 0.1, m=0), "m is 0"),
        (Cell(WORST, 0.1, steps=0), "steps is 0"),
        (Cell(WORST, 0.1, data="augmented"), "no batches of augmented data"),
    ],
)
def test_a_bad_cell_leaves_the_others_alone(bad: Cell, reason: str) -> None:
    found = results([Cell(AVERAGE, 0.1), bad, Cell(WORST, 0.1)])
    assert [type(found.pop(cell)) for cell in list(found) if cell != bad] == [Estimate, Estimate]
    assert isinstance(found[bad], UserError)
    assert reason in str(found[bad])


def test_a_model_that_cannot_be_perturbed_is_a_problem_of_every_cell() -> None:
    whole_numbers, broken = smooth_network(0), smooth_network(0)
    whole_numbers.codes = nn.Parameter(torch.arange(3), requires_grad=False)
    broken[0].bias.data[0] = torch.nan
    cells = [Cell(AVERAGE, 0.1), Cell(WORST, 0.1)]
    for model, reason in (
        (nn.Tanh(), "no parameters"),
        (whole_numbers, "'codes' is torch.int64"),
        (broken, "the unperturbed model is nan"),
    ):
        found = results(cells, model)
        assert list(found) == cells
        assert all(isinstance(r, UserError) and reason in str(r) for r in found.values())


class Cliff(nn.Module):
    """Finite at its weights; not a number, or infinite, as soon as its second weight moves."""

    def __init__(self, beyond: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(2, dtype=torch.float64))
        self.beyond = beyond

    def forward(self, x: Tensor) -> Tensor:
        outputs = x[:, :2] * self.weight
        fallen = (self.weight[1] - 1).abs() > 1e-3
        return outputs * torch.where(fallen, self.beyond, 1.0)


@pytest.mark.parametrize("beyond", [math.nan, math.inf])
@pytest.mark.parametrize("protocol", list(PROTOCOLS))
def test_a_perturbed_loss_that_is_not_finite_is_a_problem(beyond: float, protocol: str) -> None:
    inputs, labels = noisy_points(6, seed=0)
    batches = [(inputs, labels.clamp(max=1))]
    cells = [Cell(d, r, protocol) for d in (AVERAGE, WORST) for r in (0.5, 1e-6)]
    found = results(cells, Cliff(beyond), batches)
    for cell in cells:
        if cell.radius == 0.5:
            assert isinstance(found[cell], UserError)
            assert "perturbed model is not finite" in str(found[cell])
        else:
            assert isinstance(found[cell], Estimate)


def test_one_bad_sibling_does_not_spoil_the_passes_it_shares() -> None:
    """Raw logits grow where normalized ones do not."""
    model = smooth_network(43)
    model[2].weight.data.mul_(10)
    limit = 1.01 * max(model(inputs).abs().max().item() for inputs, _ in small_points())

    def touchy(logits: Tensor, labels: Tensor) -> Tensor:
        return torch.where(logits.abs().max() > limit, torch.nan, logits.square().mean())

    cells = [Cell(replace(AVERAGE, logit_norm=norm), 0.4) for norm in (True, False)]
    effort = Effort(samples=50)
    data = {"original": small_points()}
    for order in (cells, cells[::-1]):
        found = list(measure_cells(model, data, order, loss=touchy, effort=effort))  # type: ignore[arg-type]
        assert [cell for cell, _ in found] == order
        assert isinstance(dict(found)[cells[0]], Estimate)
        assert isinstance(dict(found)[cells[1]], UserError)


@pytest.mark.parametrize("definition", ALL, ids=lambda definition: definition.id)
def test_how_many_examples_pass_at_a_time_does_not_matter(definition: Definition) -> None:
    model, batches = smooth_network(0), small_points()
    cells = [Cell(definition, 0.1, protocol) for protocol in PROTOCOLS]
    whole = sharpness_table(model, batches, cells, effort=EFFORT)
    split_batch = sharpness_table(model, batches, cells, effort=EFFORT, micro_batch=3)
    for cell in cells:
        assert split_batch[cell].value == pytest.approx(whole[cell].value, rel=1e-9, abs=1e-12)
        assert split_batch[cell].per_batch == pytest.approx(
            whole[cell].per_batch, rel=1e-9, abs=1e-12
        )
        assert split_batch[cell].examples == (8, 6)
    alone = sharpness(model, batches, definition, 0.1, steps=3, samples=4, micro_batch=3)
    assert repr(alone) == repr(split_batch[cells[0]])
    assert repr(sharpness_table(model, batches, cells, effort=EFFORT, micro_batch=8)) == repr(whole)


@pytest.mark.parametrize("protocol", list(PROTOCOLS))
@pytest.mark.parametrize("micro_batch", [None, 3])
def test_words_that_do_not_occur_stay_where_they_start(
    protocol: str, micro_batch: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Their rows get no gradient, and the sign of zero is zero (BERT, App. G)."""
    monkeypatch.setattr(ObjectiveCache, "check", lambda *_, **__: None)  # it moves all weights
    model, batch = Words(), sentences(8, words=9, seed=0)
    seen: list[Tensor] = []
    model.embedding.register_forward_hook(
        lambda embedding, *_: seen.append(embedding.weight.detach().clone())
    )
    before = model.embedding.weight.detach().clone()
    tokens, mask = batch[0]["input_ids"], batch[0]["attention_mask"].bool()
    idle = [token for token in range(12) if token not in tokens[mask]]
    busy = [token for token in range(12) if token in tokens[mask]]
    assert {9, 10, 11} <= set(idle)
    found = sharpness(
        model, [batch], WORST, 0.1, protocol=protocol, steps=6, micro_batch=micro_batch
    )
    assert found.value > 0
    assert torch.equal(model.embedding.weight, before)
    assert torch.equal(seen[0], before)  # the unperturbed loss
    moved = [weights for weights in seen if not torch.equal(weights, before)]
    start = before if protocol == "released" else moved[0]
    assert len(moved) > 5
    for weights in moved:
        assert torch.equal(weights[idle], start[idle])
    assert (moved[-1][busy] != start[busy]).all()
    assert torch.equal(start[idle], before[idle]) == (protocol == "released")


@pytest.mark.parametrize(
    ("case", "protocol", "vectors"),
    [("average", "paper", 5), ("worst", "paper", 11), ("worst", "released", 11)],
)
@pytest.mark.parametrize("micro_batch", [None, 2])
def test_a_cell_holds_few_copies_of_the_weights(
    case: str, protocol: str, vectors: int, micro_batch: int | None
) -> None:
    """One copy of a ViT-B/16 is 346 MB; the model's own weights are among those counted."""
    model = nn.Sequential(*(nn.Linear(200, 200) for _ in range(6)))
    batches = [(torch.ones(4, 200), torch.arange(4))]
    definition = Definition(case, "linf", adaptive=True, logit_norm=True)  # type: ignore[arg-type]
    with LiveBytes() as live:
        sharpness(
            model,
            batches,
            definition,
            0.01,
            protocol=protocol,
            steps=5,
            samples=3,
            micro_batch=micro_batch,
        )
    copies = live.peak / (4 * len(flat(model)))
    assert 4.5 < copies < vectors + 0.5
