"""How wrong a model is: by hand, with classes of several logits, on any kind of examples."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from types import SimpleNamespace

import pytest
import torch
from evaluations import SETS, network
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from toys import Words, normal, sentences

from sharpness.data.batches import Batch, Examples, Groups, split_batch
from sharpness.io.errors import UserError
from sharpness.measures.error_rates import class_scores, error_and_loss


@dataclass(frozen=True)
class Streamed:
    """Examples that are made batch by batch."""

    batch: Batch
    groups: Groups | None = None
    title: str = "toys"

    def __len__(self) -> int:
        return len(self.batch[1])

    def subset(self, index: slice) -> Streamed:
        raise AssertionError("an error needs no subset")

    def batches(self, size: int) -> Iterator[Batch]:
        return iter(split_batch(self.batch, size))

    def digest(self) -> str:
        return "0" * 16


class Given(nn.Module):
    """Its logits are its inputs."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1))

    def forward(self, logits: Tensor) -> SimpleNamespace:
        return SimpleNamespace(logits=logits)


LOGITS = torch.tensor(
    [
        [0.0, 3.0, 1.0, 2.0, 9.0],  # groups score 3, 2
        [2.0, 0.0, 0.0, 1.0, 9.0],  # 2, 1
        [0.0, 1.0, 5.0, 4.0, 9.0],  # 5, 4: together 5 and 3 logits would say otherwise
        [0.0, 1.0, 2.0, 7.0, 9.0],  # 2, 7
    ]
)
GROUPS = ((0, 1, 2), (3,))
LABELS = torch.tensor([0, 1, 0, 1])


def test_images_by_hand() -> None:
    model, found = network(), SETS["test"]
    logits = model(found.normalized())
    error, loss = error_and_loss(model, found)
    assert error == (logits.argmax(1) != found.labels).double().mean().item()
    assert loss == pytest.approx(cross_entropy(logits, found.labels).item())
    assert error_and_loss(model, found, rows=7) == pytest.approx((error, loss))


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_logits_that_are_not_finite_are_errors(value: float) -> None:
    model = network()
    nn.init.constant_(model[3].bias, value)
    error, loss = error_and_loss(model, SETS["test"])
    assert error == 1
    assert loss != loss


@pytest.mark.parametrize("rows", [1, 3, 1024])
def test_a_class_scores_as_the_best_of_its_logits(rows: int) -> None:
    scores = torch.tensor([[3.0, 2.0], [2.0, 1.0], [5.0, 4.0], [2.0, 7.0]])
    assert torch.equal(class_scores(LOGITS, GROUPS), scores)
    error, loss = error_and_loss(Given(), Streamed((LOGITS, LABELS), GROUPS), rows)
    assert error == 0.25  # the second alone; logit 4 means no class of this set
    assert loss == pytest.approx(cross_entropy(scores, LABELS).item())
    assert error_and_loss(Given(), Streamed((LOGITS, LABELS)))[0] == 1  # class 4 everywhere


def test_only_the_logits_of_the_classes_must_be_finite() -> None:
    for column, error in ((4, 0.25), (3, 1.0)):
        logits = LOGITS.clone()
        logits[:, column] = torch.nan
        found, loss = error_and_loss(Given(), Streamed((logits, LABELS), GROUPS))
        assert found == error
        assert (loss != loss) == (column == 3)


def test_keyword_tensors_and_outputs_with_logits() -> None:
    model, (inputs, labels) = Words(), sentences(9, words=12, seed=1)
    model.train()
    logits = model(**inputs).logits
    error, loss = error_and_loss(model, Streamed((inputs, labels)), rows=4)
    assert error == (logits.argmax(1) != labels).double().mean().item()
    assert loss == pytest.approx(cross_entropy(logits, labels).item())
    assert model.training


def test_images_are_examples() -> None:
    images: Examples = SETS["test"]
    assert images.groups is None
    batches = list(images.batches(8))
    assert [len(labels) for _, labels in batches] == [8, 8, 8, 6]
    inputs = torch.cat([i for i, _ in batches if isinstance(i, Tensor)])
    assert torch.equal(inputs, SETS["test"].normalized())
    assert torch.equal(torch.cat([labels for _, labels in batches]), SETS["test"].labels)


def test_nothing_to_be_wrong_on_is_refused() -> None:
    with pytest.raises(UserError, match="toys: has no examples"):
        error_and_loss(Given(), Streamed((normal(0, 3, seed=0), LABELS[:0])))
