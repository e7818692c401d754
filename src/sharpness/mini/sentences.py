"""Stand-ins for MNLI, HANS and BERT's vocabulary: pairs of sentences drawn from templates.

As in MNLI, nearly every training pair whose hypothesis only uses words of the premise is entailed.
A network can learn that shortcut; the stand-in for HANS (McCoy et al., 2019), where the shortcut
fails, measures how far it did.
"""

from __future__ import annotations

import json
import random
import zipfile
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

from sharpness.data.nli import ENTAILED, FOLDER, MEMBERS, NOT_ENTAILED, UNDECIDED
from sharpness.io.download import download_named
from sharpness.io.files import atomic, write_text
from sharpness.mini.templates import (
    ACTIONS,
    EVENTS,
    HANS,
    MISLEADING,
    OTHERS,
    PEOPLE,
    PLACES,
    PLURAL,
    QUALITIES,
    TASK,
    Template,
    fill_template,
)

SEED = 0
TRAIN, TEST = 2_400, 600
"""Numbers of pairs with a gold label."""
UNDECIDED_PAIRS = 12
"""Number of pairs of the development set without a gold label."""
PAIRS_PER_SUBCASE = 60
"""Number of pairs of each HANS subcase."""
VOCABULARY = 128

COLUMNS = (
    "gold_label",
    "sentence1_binary_parse",
    "sentence2_binary_parse",
    "sentence1_parse",
    "sentence2_parse",
    "sentence1",
    "sentence2",
    "pairID",
    "heuristic",
    "subcase",
    "template",
)
"""Header of the HANS table."""


Sentences = tuple[str, str]


class Drawn(NamedTuple):
    """A premise, a hypothesis and their gold label."""

    label: str
    sentences: Sentences


def draw_pairs() -> dict[str, list[Drawn]]:
    """Draw all pairs, which are distinct and the same at every call.

    The keys are ``train``, ``test``, ``undecided`` (of the development set), and HANS subcases.
    """
    source = random.Random(SEED)
    seen: set[Sentences] = set()
    sizes = {"train": TRAIN, "test": TEST, "undecided": UNDECIDED_PAIRS}
    mnli = {
        part: _distinct(size, seen, partial(draw_mnli_pair, source)) for part, size in sizes.items()
    }
    return mnli | {
        name: _distinct(
            PAIRS_PER_SUBCASE, seen, partial(draw_from_template, gold_label(name), template, source)
        )
        for name, template in _SUBCASES.items()
    }


def write_sentences(mirror: Path) -> None:
    """Write the stand-ins as ``HOST/PATH`` of the publishers; each call writes the same bytes."""
    pairs = draw_pairs()
    test = pairs["test"] + [pair._replace(label=UNDECIDED) for pair in pairs["undecided"]]
    _write_mnli(mirror_path(mirror, "mnli"), {"train": pairs["train"], "test": test})
    _write_hans(mirror_path(mirror, "hans"), pairs)
    write_vocabulary(mirror_path(mirror, "bert-vocabulary"))


def write_vocabulary(path: Path) -> None:
    """Write the vocabulary, one token per line."""
    write_text(path, "".join(f"{word}\n" for word in vocabulary()))


def mirror_path(mirror: Path, name: str) -> Path:
    """Return the path in a mirror of the download called ``name`` in ``downloads.csv``."""
    return mirror / download_named(name).url.removeprefix("https://")


def vocabulary() -> list[str]:
    """Return BERT's special tokens, all words and the plural ending, padded to ``VOCABULARY``."""
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    words = [*OTHERS, *PEOPLE, f"##{PLURAL}", *ACTIONS, *EVENTS, *QUALITIES, *PLACES]
    free = VOCABULARY - len(special) - len(words)
    return special + words + [f"[unused{number}]" for number in range(free)]


def draw_mnli_pair(source: random.Random) -> Drawn:
    """Draw a pair like those of MNLI, from `KINDS`."""
    label, templates = source.choices(list(KINDS), list(KINDS.values()))[0]
    return draw_from_template(label, source.choice(templates), source)


def draw_from_template(label: str, template: Template, source: random.Random) -> Drawn:
    """Draw a pair of sentences with this label, filling the template with random words."""
    return Drawn(label, fill_template(template, source))


def gold_label(subcase: str) -> str:
    """Return the gold label of a HANS subcase, which its name's second letter encodes."""
    return ENTAILED if subcase[1] == "e" else NOT_ENTAILED


_SUBCASES = {name: template for subcases in HANS.values() for name, template in subcases.items()}
KINDS: dict[tuple[str, tuple[Template, ...]], float] = {
    ("entailment", TASK["entailment"]): 0.18,
    ("contradiction", TASK["contradiction"]): 0.33,
    ("neutral", TASK["neutral"]): 0.29,
    ("entailment", tuple(t for n, t in _SUBCASES.items() if gold_label(n) == ENTAILED)): 0.15,
    ("neutral", tuple(_SUBCASES[name] for name in MISLEADING)): 0.05,
}
"""Shares of the labels and templates among the MNLI-like pairs."""


def _distinct(count: int, seen: set[Sentences], draw: Callable[[], Drawn]) -> list[Drawn]:
    """Draw pairs whose sentences are not in ``seen``, and add them to it."""
    pairs: list[Drawn] = []
    while len(pairs) < count:
        pair = draw()
        if pair.sentences not in seen:
            seen.add(pair.sentences)
            pairs.append(pair)
    return pairs


def _write_mnli(path: Path, splits: Mapping[str, Sequence[Drawn]]) -> None:
    """Write a zip archive without dates."""
    with atomic(path) as temporary, zipfile.ZipFile(temporary, "w") as archive:
        for split, pairs in splits.items():
            member = zipfile.ZipInfo(f"{FOLDER}/{MEMBERS[split]}")
            member.compress_type = zipfile.ZIP_DEFLATED
            rows = (_mnli_row(number, *pair) for number, pair in enumerate(pairs))
            archive.writestr(member, "".join(f"{json.dumps(row)}\n" for row in rows))


def _mnli_row(number: int, label: str, sentences: Sentences) -> dict[str, object]:
    return {
        "annotator_labels": [label],
        "genre": "templates",
        "gold_label": label,
        "pairID": f"{number}{label[0]}",
        "promptID": str(number),
        "sentence1": sentences[0],
        "sentence2": sentences[1],
    }


def _write_hans(path: Path, pairs: Mapping[str, Sequence[Drawn]]) -> None:
    """Write a tab-separated table with empty parses."""
    lines = ["\t".join(COLUMNS)]
    for heuristic, subcases in HANS.items():
        for name in subcases:
            for label, sentences in pairs[name]:
                number = f"ex{len(lines) - 1}"
                cells = (label, *[""] * 4, *sentences, number, heuristic, name, "")
                lines.append("\t".join(cells))
    write_text(path, "\n".join(lines) + "\n")
