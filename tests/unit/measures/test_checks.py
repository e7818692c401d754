"""What is refused because its value would be wrong, and what is handled though it looks odd."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest
import torch
from refusal import refused
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, dropout, linear

from sharpness import Cell, Definition, sharpness, sharpness_by_layer, sharpness_table
from sharpness.measures.hessian import rescaled_hessian

AVERAGE = Definition("average", "l2", adaptive=False, logit_norm=False)
WORST = Definition("worst", "l2", adaptive=False, logit_norm=False)
X, Y = torch.randn(6, 5, generator=torch.Generator().manual_seed(0)), torch.arange(6) % 3


def net() -> nn.Sequential:
    with torch.random.fork_rng():
        torch.manual_seed(1)
        return nn.Sequential(nn.Linear(5, 8), nn.Tanh(), nn.Linear(8, 3))


class Around(nn.Module):
    """A model whose forward is given."""

    def __init__(self, forward: Any) -> None:
        super().__init__()
        self.net, self.run = net(), forward

    def forward(self, x: Tensor) -> Any:
        return self.run(self.net, x)


def value(
    model: Any, definition: Definition = AVERAGE, batches: Any = None, **options: Any
) -> float:
    batches = [(X, Y)] if batches is None else batches
    return sharpness(model, batches, definition, 0.1, steps=3, samples=4, **options).value


def rarely_random(net: nn.Module, x: Tensor) -> Tensor:
    return net(x) if torch.rand(()) < 0.7 else 0.5 * net(x)


calls = [0]


def counting(net: nn.Module, x: Tensor) -> Tensor:
    calls[0] += 1
    return net(x) * calls[0]


@pytest.mark.parametrize(
    ("forward", "definition", "words"),
    [
        (lambda net, x: dropout(net(x), 0.5), AVERAGE, "two forward passes"),
        (rarely_random, AVERAGE, "two forward passes"),
        (counting, AVERAGE, "two forward passes"),
        (lambda net, x: linear(x, torch.ones(3, 5)), AVERAGE, "no output changes"),
        (lambda net, x: net(x).detach(), WORST, "not the derivative of the loss"),
        (lambda net, x: linear(net[:2](x), net[2].weight.data), WORST, "not the derivative"),
        (
            lambda net, x: net(x) * (2 if torch.is_grad_enabled() else 1),
            WORST,
            "without gradients",
        ),
        (lambda net, x: (net(x), net(x)), AVERAGE, "tuple with 2 tensors"),
        (lambda net, x: {"a": 1}, AVERAGE, "dict with 0 tensors"),
        (lambda net, x: net(x)[:, 0].no_such_thing, AVERAGE, "fails with AttributeError"),
    ],
)
def test_a_model_that_is_no_function_of_its_weights(
    forward: Any, definition: Definition, words: str
) -> None:
    with refused(words):
        value(Around(forward), definition)


def test_average_case_needs_no_gradient() -> None:
    assert value(Around(lambda net, x: net(x).detach())) == value(net())


@pytest.mark.parametrize(
    ("model", "words"),
    [
        (lambda x: x, "must be a torch.nn.Module"),
        (nn.Sequential(nn.LazyLinear(3)), "run the model on a batch first"),
        (nn.Linear(5, 3, device="meta"), "on the meta device"),
    ],
)
def test_a_model_without_ordinary_weights(model: Any, words: str) -> None:
    with refused(words):
        value(model)


def test_parameters_that_overlap_are_refused_and_those_that_are_one_are_tied() -> None:
    tied, overlapping = net(), net()
    tied.again = nn.Linear(5, 8)
    tied.again.weight = nn.Parameter(tied[0].weight.data)
    tied.again.bias = tied[0].bias
    forward = lambda x: nn.Sequential.forward(tied[:3], x)  # noqa: E731
    tied.forward = forward  # type: ignore[method-assign]
    assert value(tied) == pytest.approx(value(net()), rel=1e-5)
    overlapping.part = nn.Parameter(overlapping[0].weight.data[1:])
    with refused("share a part of their memory"):
        value(overlapping)


@pytest.mark.parametrize(
    ("batches", "words"),
    [
        ((X, Y), "batch 0 is a Tensor"),
        (X, "give a list of (inputs, targets)"),
        ([(X, Y, Y)], "must be (inputs, targets)"),
        ([{"x": X}], "exactly one key"),
        ([(X, [0, 1])], "must be a tensor"),
        ([(X, torch.tensor(1))], "without an axis of examples"),
        ([("words", Y)], "hold no tensor"),
    ],
)
def test_what_is_no_batch(batches: Any, words: str) -> None:
    with refused(words):
        value(net(), batches=batches)


def test_losses_that_do_not_separate_over_examples() -> None:
    def contrast(outputs: Tensor, targets: Tensor) -> Tensor:
        return (outputs - outputs.mean(dim=0)).square().mean()

    assert value(net(), loss=contrast) == value(net(), loss=contrast, micro_batch=6)
    for micro_batch in (1, 2, 5):
        with refused("does not treat examples one by one"):
            value(net(), loss=contrast, micro_batch=micro_batch)
    with refused("does not treat examples one by one"):
        value(Around(lambda net, x: net(x - x.mean(dim=0))), micro_batch=3)
    with refused("the loss is of shape (6,)"):
        value(net(), loss=nn.CrossEntropyLoss(reduction="none"))


WEIGHT = torch.tensor([0.2, 1.0, 3.0])


@pytest.mark.parametrize(
    "loss",
    [
        cross_entropy,
        nn.CrossEntropyLoss(ignore_index=1),
        nn.CrossEntropyLoss(weight=WEIGHT),
        nn.CrossEntropyLoss(weight=WEIGHT, ignore_index=0, label_smoothing=0.1),
        partial(cross_entropy, weight=WEIGHT),
        partial(cross_entropy, ignore_index=2),
    ],
)
@pytest.mark.parametrize("micro_batch", [1, 4])
def test_cross_entropy_divides_by_what_it_counts(loss: Any, micro_batch: int) -> None:
    targets = torch.tensor([0, 0, 1, -100, 2, 1])
    if getattr(loss, "ignore_index", -100) != -100 or "ignore_index" in getattr(
        loss, "keywords", {}
    ):
        targets = targets.clamp(min=0)
    for definition in (AVERAGE, WORST):
        whole = value(net().double(), definition, [(X.double(), targets)], loss=_double(loss))
        pieces = value(
            net().double(),
            definition,
            [(X.double(), targets)],
            loss=_double(loss),
            micro_batch=micro_batch,
        )
        assert pieces == pytest.approx(whole, rel=1e-9)


def _double(loss: Any) -> Any:
    """The loss with its class weights in float64."""
    if isinstance(loss, nn.Module):
        return loss.double()
    if isinstance(loss, partial) and "weight" in loss.keywords:
        return partial(loss.func, weight=loss.keywords["weight"].double())
    return loss


def test_a_batch_in_which_nothing_counts_is_refused() -> None:
    with refused("no target that the loss counts"):
        value(net(), batches=[(X, torch.full((6,), -100))])


def test_logits_are_normalized_over_the_axis_of_the_classes() -> None:
    dense = Definition("average", "l2", adaptive=False, logit_norm=True)
    flat_loss = value(Around(lambda net, x: net(x)[:, 0]), loss=lambda o, _: o.mean())
    assert flat_loss != 0
    with refused("no axis of classes"):
        value(Around(lambda net, x: net(x)[:, 0]), dense, loss=lambda o, _: o.mean())


def test_16_bits_are_refused_where_they_round_the_perturbation_away() -> None:
    half = net().bfloat16()
    batch = [(X.bfloat16(), Y)]
    with refused("stored as bfloat16", "use model.float()"):
        sharpness(half, batch, AVERAGE, 1e-4)
    coarse = sharpness(half, batch, AVERAGE, 1.0, samples=20).value
    assert coarse == pytest.approx(
        sharpness(net(), [(X, Y)], AVERAGE, 1.0, samples=20).value, rel=0.1
    )


def test_a_negative_seed_is_refused() -> None:
    with refused("seed is -1"):
        value(net(), seed=-1)


def test_parameters_choose_the_weights_that_move() -> None:
    model = net()
    model[0].requires_grad_(False)
    head = nn.Sequential(nn.Linear(8, 3))
    head[0].load_state_dict(model[2].state_dict())
    features = model[:2](X).detach()
    for definition in (AVERAGE, WORST):
        expected = value(head, definition, [(features, Y)])
        choices = ("trainable", r"^2\.", lambda name: name.startswith("2"))
        found = [value(model, definition, parameters=choice) for choice in choices]
        assert found == pytest.approx([expected] * 3, rel=1e-5)
        by_layer = sharpness_by_layer(model, [(X, Y)], definition, 0.1, steps=3, samples=4)
        assert list(by_layer) == ["0", "2"]
        assert by_layer["2"].value == found[0]
    assert value(model) == value(net())  # frozen weights are perturbed by default
    with refused("chooses none of 0.weight, 0.bias"):
        value(model, parameters="head")
    with refused("no regular expression"):
        value(model, parameters="(")


def test_batches_are_joined_by_name_and_kind() -> None:
    class Two(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.net = net()

        def forward(self, a: Tensor, b: Tensor, scale: float) -> Tensor:
            return self.net(a - 2 * b) * scale

    def batch(part: slice, swapped: bool, scale: float = 1.0) -> Any:
        named = {"a": X[part], "b": 2 * X[part]}
        return (
            {**dict(reversed(named.items())), "scale": scale}
            if swapped
            else {**named, "scale": scale}
        ), Y[part]

    cell = Cell(AVERAGE, 0.1, m=4)
    first = batch(slice(0, 3), swapped=False)
    alike, swapped = (batch(slice(3, 6), swapped=s) for s in (False, True))
    values = [
        sharpness_table(Two(), [first, other], [cell])[cell].value for other in (alike, swapped)
    ]
    assert values[0] == values[1]
    for other in (batch(slice(3, 6), False, scale=2.0), ({**alike[0], "a": X[3:].double()}, Y[3:])):
        with refused("different shapes or kinds"):
            sharpness_table(Two(), [first, other], [cell])


def test_a_shared_tensor_as_long_as_the_batch_is_not_cut_in_silence() -> None:
    shared = torch.randn(6, 5, generator=torch.Generator().manual_seed(2))
    model = Around(lambda net, x: net(x))
    model.forward = lambda x, p: model.net(x + p.mean(dim=0))  # type: ignore[method-assign]
    with refused("cannot be divided"):
        sharpness_table(model, [((X, shared), Y)], [Cell(AVERAGE, 0.1, m=3)])


def test_a_hidden_denominator_is_found_in_every_batch() -> None:
    targets = torch.tensor([0, 1, 2, 0, -1, -1])
    with refused("cannot be divided"):
        value(
            net(),
            batches=[(X, targets)],
            loss=lambda o, t: cross_entropy(o, t, ignore_index=-1),
            micro_batch=3,
        )


def test_what_a_forward_or_loss_writes_to_is_not_the_callers() -> None:
    x, y = X.clone(), Y.clone()

    def loss(outputs: Tensor, targets: Tensor) -> Tensor:
        targets[targets == 2] = 1
        return cross_entropy(outputs, targets)

    found = value(Around(lambda net, x: net(x.div_(2))), batches=[(x, y)], loss=loss)
    assert found == value(net(), batches=[(X / 2, Y.clamp(max=1))])
    assert torch.equal(x, X)
    assert torch.equal(y, Y)


def test_a_random_loss_and_a_merge_by_eval_are_refused() -> None:
    with refused("two forward passes"):
        value(net(), loss=lambda o, t: cross_entropy(o, t) + torch.rand(()))

    class Merging(nn.Linear):
        def train(self, mode: bool = True) -> Merging:
            if mode != self.training:
                self.weight.data.mul_(0.5 if mode else 2)
            return super().train(mode)

    model = Merging(5, 3)
    before = model.weight.detach().clone()
    with refused("model.eval() changes the weights"):
        value(model)
    assert torch.equal(model.weight, before)
    assert model.training
    assert value(model.eval()) != 0


def test_the_modes_of_torchscript_are_restored() -> None:
    model = torch.jit.script(net().train())
    assert value(model) == pytest.approx(value(net()), rel=1e-6)
    assert model.training
    assert all(module.training for module in model.modules())


@pytest.mark.parametrize(
    ("forward", "words"),
    [
        (lambda net, x: dropout(net(x), 0.5), "two forward passes"),
        (lambda net, x: linear(net[:2](x), net[2].weight.detach()), "not the derivative"),
    ],
)
def test_a_hessian_of_no_function_is_refused(forward: Any, words: str) -> None:
    model = Around(forward)
    ones = torch.ones(sum(p.numel() for p in model.parameters()))
    with refused(words), rescaled_hessian(model, [(X, Y)], ones):
        pass
