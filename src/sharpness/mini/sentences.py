"""Stand-ins for MNLI, HANS and BERT's vocabulary: pairs of sentences drawn from templates.

As in MNLI, nearly every training pair whose hypothesis only uses words of the premise is entailed.
A network can learn that shortcut; the stand-in for HANS (McCoy et al., 2019), where the shortcut
fails, measures how far it did.

Letters in a template stand for different words: a, b and c for people (singular or plural), m for
a plural, v and w for transitive verbs, i and j for intransitive verbs, x and y for adjectives, p
for a place; V, W, I, J, X and Y are the opposites of their lower-case letters.
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

PEOPLE = ("doctor", "judge", "author", "lawyer", "actor", "student", "artist", "banker")
PLURAL = "s"
"""Plural ending; a token of its own, since the vocabulary has only singulars."""
MANY = 0.15
"""Probability that a noun is plural."""
ACTIONS = ("helped", "hindered", "praised", "blamed", "trusted", "doubted")
EVENTS = ("arrived", "left", "laughed", "cried", "slept", "woke")
QUALITIES = ("happy", "sad", "young", "old", "tall", "short")
"""In these three tuples, words 2k and 2k + 1 are opposites."""
PLACES = ("park", "office", "hotel")
OTHERS = (
    *(".", ",", "the", "and", "or", "if", "that", "who", "by", "was", "were", "in", "near"),
    *("because", "never", "no", "one", "probably", "certainly", "hoped", "knew", "believed"),
)

Template = tuple[str, str]

TASK: dict[str, tuple[Template, ...]] = {
    "entailment": (
        ("the {x} {a} {v} the {b}", "the {a} {v} the {b}"),
        ("the {a} {v} the {b} in the {p}", "the {a} {v} the {b}"),
        ("the {x} {a} {i} in the {p}", "the {a} {i} in the {p}"),
        ("the {a} was {x} and {y}", "the {a} was {y}"),
        ("the {x} {a} {i}", "the {a} was {x}"),
        ("the {a} {v} the {x} {b}", "the {b} was {x}"),
        ("the {a} {v} the {b} and {i}", "the {a} {i}"),
        ("the {a} {v} the {b}", "the {b} was {v} by the {a}"),
    ),
    "contradiction": (
        ("the {x} {a} {v} the {b}", "the {a} never {v} the {b}"),
        ("the {a} {v} the {b} in the {p}", "no one {v} the {b}"),
        ("the {a} {i} in the {p}", "the {a} never {i}"),
        ("the {a} was {x} and {y}", "the {a} was {Y}"),
        ("the {x} {a} {i}", "the {a} was {X}"),
        ("the {x} {a} {i}", "the {a} was never {x}"),
        ("the {a} {v} the {b} and {i}", "the {a} {I}"),
        ("the {a} {v} the {b}", "the {b} was never {v} by the {a}"),
    ),
    "neutral": (
        ("the {x} {a} {v} the {b}", "the {a} {v} the {y} {b}"),
        ("the {a} {v} the {b}", "the {a} {v} the {b} in the {p}"),
        ("the {a} {v} the {b} in the {p}", "the {a} {v} the {c}"),
        ("the {x} {a} {i}", "the {a} {i} in the {p}"),
        ("the {x} {a} {i}", "the {a} was {y}"),
        ("the {a} was {x} and {y}", "the {b} was {y}"),
        ("the {a} {v} the {b} and {i}", "the {a} {j}"),
        ("the {a} {v} the {b}", "the {c} was {v} by the {a}"),
    ),
}
"""Templates of MNLI's classes; hypotheses that only use the premise's words are entailed."""

HANS: dict[str, dict[str, Template]] = {
    "lexical_overlap": {
        "ln_subject/object_swap": ("the {a} {v} the {b}", "the {b} {v} the {a}"),
        "ln_preposition": ("the {a} near the {b} {v} the {c}", "the {b} {v} the {a}"),
        "ln_relative_clause": ("the {a} who {v} the {b} {w} the {c}", "the {b} {w} the {a}"),
        "ln_passive": ("the {a} was {v} by the {b}", "the {a} {v} the {b}"),
        "ln_conjunction": ("the {a} and the {b} {v} the {c}", "the {a} {v} the {b}"),
        "le_around_prepositional_phrase": (
            "the {a} near the {b} {v} the {c}",
            "the {a} {v} the {c}",
        ),
        "le_around_relative_clause": ("the {a} who {v} the {b} {w} the {c}", "the {a} {w} the {c}"),
        "le_relative_clause": ("the {a} who {v} the {b} {i}", "the {a} {i}"),
        "le_passive": ("the {a} was {v} by the {b}", "the {b} {v} the {a}"),
        "le_conjunction": ("the {a} {v} the {b} and the {c}", "the {a} {v} the {c}"),
    },
    "subsequence": {
        "sn_NP/S": ("the {a} believed the {b} {i}", "the {a} believed the {b}"),
        "sn_PP_on_subject": ("the {a} near the {b} {i}", "the {b} {i}"),
        "sn_relative_clause_on_subject": ("the {a} who {v} the {b} {i}", "the {b} {i}"),
        "sn_past_participle": ("the {a} {v} in the {p} {i}", "the {a} {v} in the {p}"),
        "sn_NP/Z": ("because the {a} {v} the {b} {i}", "the {a} {v} the {b}"),
        "se_conjunction": ("the {a} and the {b} {i}", "the {b} {i}"),
        "se_adjective": ("{x} {m} {i}", "{m} {i}"),
        "se_understood_object": ("the {x} {a} left the {p}", "the {x} {a} left"),
        "se_relative_clause_on_obj": ("the {a} {v} the {b} who {i}", "the {a} {v} the {b}"),
        "se_PP_on_obj": ("the {a} {v} the {b} near the {c}", "the {a} {v} the {b}"),
    },
    "constituent": {
        "cn_embedded_under_if": ("if the {a} {i} , the {b} {j}", "the {a} {i}"),
        "cn_after_if_clause": ("if the {a} {i} , the {b} {j}", "the {b} {j}"),
        "cn_embedded_under_verb": ("the {a} hoped that the {b} {i}", "the {b} {i}"),
        "cn_disjunction": ("the {a} {i} or the {b} {j}", "the {b} {j}"),
        "cn_adverb": ("probably the {a} {v} the {b}", "the {a} {v} the {b}"),
        "ce_embedded_under_since": ("because the {a} {i} , the {b} {j}", "the {a} {i}"),
        "ce_after_since_clause": ("because the {a} {i} , the {b} {j}", "the {b} {j}"),
        "ce_embedded_under_verb": ("the {a} knew that the {b} {i}", "the {b} {i}"),
        "ce_conjunction": ("the {a} {i} and the {b} {j}", "the {b} {j}"),
        "ce_adverb": ("certainly the {a} {v} the {b}", "the {a} {v} the {b}"),
    },
}
"""Heuristics and subcases of HANS; ``?n_`` are not entailed, ``?e_`` are."""

MISLEADING = (
    "ln_subject/object_swap",
    "ln_passive",
    "sn_NP/S",
    "sn_PP_on_subject",
    "cn_disjunction",
    "cn_adverb",
)
"""Non-entailed HANS subcases with a few training pairs; a network can infer the others."""

SEED = 0
TRAIN, TEST = 2_400, 600
"""Numbers of pairs with a gold label."""
UNDECIDED_PAIRS = 12
"""Number of pairs of the development set without a gold label."""
PAIRS_PER_SUBCASE = 60
"""Number of pairs of each HANS subcase."""
VOCABULARY = 128

COLUMNS = (
    *("gold_label", "sentence1_binary_parse", "sentence2_binary_parse", "sentence1_parse"),
    *("sentence2_parse", "sentence1", "sentence2", "pairID", "heuristic", "subcase", "template"),
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


def fill_template(template: Template, source: random.Random) -> tuple[str, str]:
    """Draw words for a template's letters; return premise and hypothesis."""
    *people, many = source.sample(PEOPLE, 4)
    people = [word + PLURAL * (source.random() < MANY) for word in people]
    words = dict(zip("abcm", [*people, many + PLURAL], strict=True))
    words |= _with_opposites("vwVW", ACTIONS, source)
    words |= _with_opposites("ijIJ", EVENTS, source)
    words |= _with_opposites("xyXY", QUALITIES, source)
    words["p"] = source.choice(PLACES)
    first, second = (
        f"{side.format(**words).capitalize()} .".replace(f"{PLURAL} was ", f"{PLURAL} were ")
        for side in template
    )
    return first, second


def _with_opposites(letters: str, words: Sequence[str], source: random.Random) -> dict[str, str]:
    """Draw two words and their opposites, all different."""
    first, second = (2 * pair for pair in source.sample(range(len(words) // 2), 2))
    chosen = [first + source.randrange(2), second + source.randrange(2)]
    opposites = [index ^ 1 for index in chosen]
    return {k: words[index] for k, index in zip(letters, chosen + opposites, strict=True)}


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
