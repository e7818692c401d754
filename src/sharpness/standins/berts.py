"""Small BERTs that differ in their fine-tuning alone: stand-ins for the BERTs of a feather.

As with those (McCoy et al., 2020), one set of weights is pre-trained, and a run draws its own head
and its own order of the training pairs. All runs do about equally well on the task, and differ in
what they make of the pairs of HANS.
"""

from __future__ import annotations

import random
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from time import perf_counter
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy

from sharpness.data.nli import load_hans, load_mnli
from sharpness.data.pairs import LABELS, mnli_pairs
from sharpness.data.texts import Texts, texts
from sharpness.networks import build
from sharpness.pools import formats
from sharpness.pools.table import Member
from sharpness.standins.descent import Inputs, Stage, descend, placed_inputs, refresh
from sharpness.standins.sentences import mixed, place
from sharpness.training.streams import Purpose, torch_seed

SEED = 0
LENGTH = 24
"""Tokens; the longest pair has fewer."""
UNLABELLED = 20_000
"""Pairs of the pre-training."""
PRETRAINING = Stage(epochs=4, rate=5e-3)
FINE_TUNING = Stage(epochs=8, rate=3e-3)


def train_berts(
    members: Sequence[Member],
    architecture: Mapping[str, Any],
    mirror: Path,
    device: torch.device | str = "cpu",
) -> dict[str, dict[str, float]]:
    """Train one network for each member, and write it where its publisher's would lie.

    Args:
        members: their ``run`` is the seed of the head and of the order.
        architecture: of a ``bert``.
        mirror: a folder that `sharpness.standins.sentences.write_sentences` has filled; gets
            ``HOST/PATH`` of each member's address, in the format ``bert``.
        device: where to train.

    Returns:
        For each model the errors, fractions, of the parts test, lexical, subsequence and
        constituent.
    """
    torch.set_num_threads(1)
    started = perf_counter()
    pretrained = _pretrained(architecture, mirror, torch.device(device))
    _say(f"pre-trained in {perf_counter() - started:.1f} s")
    data = _read(mirror)
    errors = {}
    for member in members:
        started = perf_counter()
        run = int(member.parameters["run"])
        network = _fine_tuned(architecture, pretrained, data["train"], run, torch.device(device))
        errors[member.model] = {
            part: _error(network, examples) for part, examples in data.items() if part != "train"
        }
        weights = {name: tensor.cpu().numpy() for name, tensor in network.state_dict().items()}
        path = mirror / member.url.removeprefix("https://")
        formats.write("bert", path, weights, architecture)
        found = ", ".join(f"{part} {error:.3f}" for part, error in errors[member.model].items())
        _say(f"{member.model}: {found}; {perf_counter() - started:.1f} s")
    return errors


def _pretrained(
    architecture: Mapping[str, Any], mirror: Path, device: torch.device
) -> dict[str, Tensor]:
    """Weights that know which words of the second sentence are in the first, and nothing of labels.

    A network of this size does not find that out from a few thousand labels. Each word is judged
    after the first layer, so that the second can tell the first token whether all are there.
    """
    source = random.Random(f"{SEED} unlabelled")
    pairs = [mixed(source).sentences for _ in range(UNLABELLED)]
    examples = texts(pairs, [0] * len(pairs), _vocabulary(mirror), LENGTH, "pre-training")
    network = build(architecture).eval().to(device)  # no dropout: it would take longer
    encoder = network.get_submodule("bert")
    heads = nn.ModuleList(nn.Linear(architecture["dim"], 1) for _ in range(2)).to(device)
    refresh(nn.ModuleList([network, heads]), torch.Generator().manual_seed(SEED))

    def loss(inputs: Inputs, _: Tensor) -> Tensor:
        known, words = _shared(**inputs)
        outputs = encoder(**inputs, output_hidden_states=True)
        each = heads[0](outputs.hidden_states[1])[words].squeeze(1)
        every = heads[1](outputs.pooler_output).squeeze(1)
        return binary_cross_entropy_with_logits(
            each, known[words].float()
        ) + binary_cross_entropy_with_logits(every, (known | ~words).all(dim=1).float())

    parameters = [*network.parameters(), *heads.parameters()]
    descend(loss, parameters, examples, PRETRAINING, SEED)
    return network.state_dict()


def _shared(
    input_ids: Tensor, attention_mask: Tensor, token_type_ids: Tensor
) -> tuple[Tensor, Tensor]:
    """Which tokens are in the first sentence, and which are the second's; each (n, length)."""
    second = token_type_ids.bool()
    first = attention_mask.bool() & ~second
    same = input_ids[:, :, None] == input_ids[:, None, :]
    return (same & first[:, None, :]).any(dim=2), second


def _fine_tuned(
    architecture: Mapping[str, Any],
    pretrained: Mapping[str, Tensor],
    train: Texts,
    run: int,
    device: torch.device,
) -> nn.Module:
    """The pre-trained network with the head of a run, trained in the order of that run."""
    network = build(architecture).eval()
    network.load_state_dict(pretrained)
    seed = torch_seed(SEED, run, Purpose.WEIGHTS)
    refresh(network.get_submodule("classifier"), torch.Generator().manual_seed(seed))
    network.to(device)

    def loss(inputs: Inputs, labels: Tensor) -> Tensor:
        return cross_entropy(network(**inputs).logits, labels)

    seed = torch_seed(SEED, run, Purpose.ORDER)
    descend(loss, list(network.parameters()), train, FINE_TUNING, seed)
    return network


@torch.no_grad()
def _error(network: nn.Module, examples: Texts) -> float:
    """The share of wrong answers; of HANS's pairs, none is entailed."""
    inputs = placed_inputs(examples, next(network.parameters()).device)
    answers = network(**inputs).logits.argmax(dim=1).cpu()
    if examples.groups is None:
        wrong = answers != examples.labels
    else:
        wrong = answers == LABELS.index("entailment")
    return float(wrong.double().mean())


def _read(mirror: Path) -> dict[str, Texts]:
    """All training pairs, and those of each part that has errors."""
    records = {name: _record(mirror, name) for name in ("mnli", "hans", "bert-vocabulary")}
    inputs = {"length": LENGTH, "vocabulary": records["bert-vocabulary"]}
    pairs = list(mnli_pairs(records["mnli"], "train"))
    return {
        "train": texts(
            [(pair.first, pair.second) for pair in pairs],
            [LABELS.index(pair.label) for pair in pairs],
            _vocabulary(mirror),
            LENGTH,
            "MNLI",
        ),
        "test": load_mnli("test", records["mnli"], inputs),
        **{
            part: load_hans(f"hans-{part}", {**records["hans"], "name": f"hans-{part}"}, inputs)
            for part in ("lexical", "subsequence", "constituent")
        },
    }


def _record(mirror: Path, name: str) -> dict[str, Any]:
    """What `sharpness.data.places.locate` would say of a stand-in."""
    return {"name": name, "status": "present", "files": [{"path": str(place(mirror, name))}]}


def _vocabulary(mirror: Path) -> Path:
    return place(mirror, "bert-vocabulary")


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
