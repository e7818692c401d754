"""Stand-ins for the BERTs of a feather (McCoy et al., 2020): small BERTs, fine-tuned differently.

As there, all runs start from the same pre-trained weights and draw their own head and order of the
training pairs. Their errors on the task are similar, those on HANS differ.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy

from sharpness.checkpoints.table import PublishedModel
from sharpness.data.batches import Groups
from sharpness.data.nli import HEURISTICS, LABELS, NOT_ENTAILED
from sharpness.data.tokens import TWO, Texts, texts
from sharpness.mini.sentences import (
    HANS,
    Drawn,
    draw_mnli_pair,
    draw_pairs,
    gold_label,
    write_vocabulary,
)
from sharpness.mini.trainer import Standins, torch_generator, train_standin
from sharpness.networks import build

LENGTH = 24
"""Tokens per pair; no pair has more."""
BATCH = 32
PRETRAINING, PRETRAINING_RATE = 500, 5e-3
"""Steps (every pair is seen once), and the peak learning rate of AdamW."""
FINE_TUNING, FINE_TUNING_RATE = 200, 4e-3
SPREAD = 0.15
"""Standard deviation of initial weights; BERT's 0.02 is for wider layers."""


def standins(architecture: Mapping[str, Any]) -> Standins:
    """Return a function that trains the BERT of a row of ``feather-berts.csv``, and its test sets.

    The row's ``run`` is the seed. The architecture has ``name: bert``.
    """
    pairs = draw_pairs()
    train, test = (_texts(pairs[split], split) for split in ("train", "test"))
    hans = {
        name.removeprefix("hans-"): _texts(
            [p for sub in HANS[kind] if gold_label(sub) == NOT_ENTAILED for p in pairs[sub]],
            name,
            TWO,
        )
        for name, kind in HEURISTICS.items()
    }
    pretrained = _pretrained(architecture)

    def trained(member: PublishedModel) -> nn.Module:
        return _fine_tuned(architecture, pretrained, train, int(member.parameters["run"]))

    return trained, {"test": test, **hans}


def _pretrained(architecture: Mapping[str, Any]) -> dict[str, Tensor]:
    """Pre-train weights to predict which words of the second sentence occur in the first.

    A network of this size does not learn that from a few thousand labels. The loss on single words
    is taken after the first layer, so that the second can tell the first token if all occur.
    """
    source = random.Random("unlabelled")
    examples = _texts([draw_mnli_pair(source) for _ in range(PRETRAINING * BATCH)], "pre-training")
    network = build(architecture).eval()  # no dropout, which would slow training down
    encoder = network.get_submodule("bert")
    heads = nn.ModuleList(nn.Linear(architecture["dim"], 1) for _ in range(2))
    reinitialize(nn.ModuleList([network, heads]), torch_generator("bert", "weights"))
    inputs = examples.inputs()

    def loss(chosen: Tensor) -> Tensor:
        batch = {name: tensor[chosen] for name, tensor in inputs.items()}
        known, words = shared(**batch)
        outputs = encoder(**batch, output_hidden_states=True)
        each = heads[0](outputs.hidden_states[1])[words].squeeze(1)
        every = heads[1](outputs.pooler_output).squeeze(1)
        return binary_cross_entropy_with_logits(
            each, known[words].float()
        ) + binary_cross_entropy_with_logits(every, (known | ~words).all(dim=1).float())

    parameters = [*network.parameters(), *heads.parameters()]
    optimizer = torch.optim.AdamW(parameters, PRETRAINING_RATE, fused=True)
    train_standin(
        loss, optimizer, examples=len(examples), batch=BATCH, steps=PRETRAINING, name="bert"
    )
    return network.state_dict()


def shared(
    input_ids: Tensor, attention_mask: Tensor, token_type_ids: Tensor
) -> tuple[Tensor, Tensor]:
    """Return two masks (n, length): tokens that occur in the first sentence; the second one's."""
    second = token_type_ids.bool()
    first = attention_mask.bool() & ~second
    same = input_ids[:, :, None] == input_ids[:, None, :]
    return (same & first[:, None, :]).any(dim=2), second


def _fine_tuned(
    architecture: Mapping[str, Any], pretrained: Mapping[str, Tensor], train: Texts, run: int
) -> nn.Module:
    network, name = build(architecture).eval(), f"bert {run}"
    network.load_state_dict(pretrained)
    reinitialize(network.get_submodule("classifier"), torch_generator(name, "head"))
    inputs = train.inputs()

    def loss(chosen: Tensor) -> Tensor:
        batch = {key: tensor[chosen] for key, tensor in inputs.items()}
        return cross_entropy(network(**batch).logits, train.labels[chosen])

    optimizer = torch.optim.AdamW(network.parameters(), FINE_TUNING_RATE, fused=True)
    train_standin(loss, optimizer, examples=len(train), batch=BATCH, steps=FINE_TUNING, name=name)
    return network


def reinitialize(module: nn.Module, random: torch.Generator) -> None:
    """Re-initialize weights: normal matrices, zero biases, LayerNorms as the identity."""
    for part in module.modules():
        if isinstance(part, nn.Linear | nn.Embedding):
            nn.init.normal_(part.weight, std=SPREAD, generator=random)
        if isinstance(part, nn.Linear):
            nn.init.zeros_(part.bias)
        elif isinstance(part, nn.LayerNorm):
            part.reset_parameters()


def _texts(pairs: Sequence[Drawn], title: str, groups: Groups | None = None) -> Texts:
    """Tokenize pairs; those of a set with groups all have label 0, "not entailed"."""
    labels = [0 if groups else LABELS.index(pair.label) for pair in pairs]
    with TemporaryDirectory() as folder:
        vocabulary = Path(folder, "vocab.txt")
        write_vocabulary(vocabulary)
        return texts([p.sentences for p in pairs], labels, vocabulary, LENGTH, title, groups)
