"""Words and templates of the sentences of the stand-ins for MNLI and HANS.

Letters in a template stand for different words: a, b and c for people (singular or plural), m for
a plural, v and w for transitive verbs, i and j for intransitive verbs, x and y for adjectives, p
for a place; V, W, I, J, X and Y are the opposites of their lower-case letters.
"""

from __future__ import annotations

import random
from collections.abc import Sequence

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


def fill_template(template: Template, source: random.Random) -> tuple[str, str]:
    """Draw words for a template's letters; return premise and hypothesis."""
    *people, many = source.sample(PEOPLE, 4)
    people = [word + PLURAL * (source.random() < MANY) for word in people]
    words = dict(zip("abcm", [*people, many + PLURAL], strict=True))
    words |= _with_opposites("vwVW", ACTIONS, source)
    words |= _with_opposites("ijIJ", EVENTS, source)
    words |= _with_opposites("xyXY", QUALITIES, source)
    words["p"] = source.choice(PLACES)
    first, second = (f"{side.format(**words).capitalize()} ." for side in template)
    return _agreeing(first), _agreeing(second)


def _agreeing(sentence: str) -> str:
    """Replace "was" by "were" after a plural."""
    return sentence.replace(f"{PLURAL} was ", f"{PLURAL} were ")


def _with_opposites(letters: str, words: Sequence[str], source: random.Random) -> dict[str, str]:
    """Draw two words and their opposites, all different."""
    first, second = (2 * pair for pair in source.sample(range(len(words) // 2), 2))
    chosen = [first + source.randrange(2), second + source.randrange(2)]
    opposites = [index ^ 1 for index in chosen]
    return {k: words[index] for k, index in zip(letters, chosen + opposites, strict=True)}
