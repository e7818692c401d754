"""What pydantic complains of, in one line for people: the key, its value, and what is right."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from difflib import get_close_matches
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

Schema = Mapping[str, Any]

_WORDS = {
    "bool_type": "it must be true or false",
    "bool_parsing": "it must be true or false",
    "int_type": "it must be a whole number",
    "int_parsing": "it must be a whole number",
    "int_parsing_size": "it must be a whole number that is not so large",
    "int_from_float": "it must be a whole number",
    "float_type": "it must be a number",
    "float_parsing": "it must be a number",
    "finite_number": "it must be a finite number",
    "list_type": "it must be a list: [...]",
    "tuple_type": "it must be a list: [...]",
    "dict_type": "it must be keys with values",
    "model_type": "it must be keys with values",
    "model_attributes_type": "it must be keys with values",
    "greater_than": "it must be above {gt:g}",
    "greater_than_equal": "it must be at least {ge:g}",
    "less_than": "it must be below {lt:.10g}",
    "less_than_equal": "it must be at most {le:.10g}",
    "too_short": "it must not be empty",
    "too_long": "it must have at most {max_length} entries",
    "string_too_long": "it must have at most {max_length} letters",
    "recursion_loop": "it contains itself",
    "missing": "this key is required and is not there",
    "extra_forbidden": "there is no such key",
}
_PATTERNS = {
    r"^[A-Za-z0-9][A-Za-z0-9._-]*$": "letters, digits, '.', '_' and '-', first a letter or digit",
    r"^[a-z][a-z0-9_]*$": "small letters, digits and '_', first a letter",
    r"^[a-z0-9-]+$": "small letters, digits and '-'",
}
_LONGEST = 60  # letters of a value that are shown
_MANY = 6  # words from which on the nearest stands for all
_ALIKE = 0.65  # of words that are mistaken for each other


def complaint(error: ValidationError, schema: Schema) -> str:
    """The first thing that is wrong, in one line.

    Args:
        error: all that is wrong.
        schema: the JSON schema of what was validated; it knows which keys there are.
    """
    first = _first(error)
    keys, place = _followed(schema, first["loc"])
    path = ".".join(map(written, keys))
    kind, context = first["type"], first.get("ctx", {})
    if kind == "extra_forbidden":
        return f"{path}: there is no such key; {_choice(keys[-1], place.get('properties', {}))}"
    if kind == "missing":
        return f"{path}: {_WORDS[kind]}"
    if kind.startswith("union_tag"):
        return f"{_joined(path, context['discriminator'])}: {_kind(first['input'], context)}"
    value = first["input"]
    union = bool(keys) and first["loc"][-1] not in (keys[-1], "[key]")
    says = _either(error, first) if union else said(first)
    # A wrong key is shown by its path, and what is wrong with several keys names them.
    if "[key]" in first["loc"] and kind == "literal_error":
        return f"{path}: there is no such key; {_choice(value, _expected(context))}"
    if "[key]" in first["loc"] or (isinstance(value, Mapping) and kind == "value_error"):
        return f"{path}: {says}" if path else says
    return f"{path}: {shown(value)}: {says}" if path else f"{shown(value)}: {says}"


def _first(error: ValidationError) -> ErrorDetails:
    """The first complaint; that a key is unknown rather than that another one is missing."""
    details = error.errors(include_url=False)
    beside = [
        detail
        for detail in details
        if detail["type"] == "extra_forbidden" and detail["loc"][:-1] == details[0]["loc"][:-1]
    ]
    return beside[0] if beside and details[0]["type"] == "missing" else details[0]


def _either(error: ValidationError, first: ErrorDetails) -> str:
    """What is wrong with a value, by each of the kinds that it may be of."""
    details = error.errors(include_url=False)
    ways = [detail for detail in details if detail["loc"][:-1] == first["loc"][:-1]]
    return ", or ".join(dict.fromkeys(map(said, ways)))


def said(detail: ErrorDetails) -> str:
    """What is wrong with a value, in words."""
    kind, context, value = detail["type"], detail.get("ctx", {}), detail["input"]
    if kind == "string_type":
        plain = isinstance(value, bool | int | float)
        return "it must be a text; put it in quotes" if plain else "it must be a text"
    if kind == "string_pattern_mismatch":
        pattern = context["pattern"]
        return f"it must consist of {_PATTERNS.get(pattern, f'what {pattern} describes')}"
    if kind == "literal_error":
        return _one_of(value, _expected(context))
    if kind == "invalid_key":
        return "a key must be a text; put it in quotes"
    if kind not in _WORDS:
        return written(detail["msg"].removeprefix("Value error, "))
    return _WORDS[kind].format_map(context)


def shown(value: Any) -> str:
    """A value as it stands in a file, cut to a line."""
    text = _flow(value, depth=3)
    return text if len(text) <= _LONGEST else text[: _LONGEST - 3] + "..."


def written(text: Any) -> str:
    """A key or a message in one line, whatever is in it."""
    line = str(text)
    return line if line.isprintable() else repr(line)[1:-1]


def _flow(value: Any, depth: int) -> str:
    """YAML in one line; what lies deep is left out."""
    if value is None or isinstance(value, bool):
        return str(value).lower().replace("none", "null")
    if isinstance(value, Mapping):
        pairs = [f"{_flow(k, 0)}: {_flow(v, depth - 1)}" for k, v in list(value.items())[:9]]
        return "{" + (", ".join(pairs) if depth else "...") + "}" if value else "{}"
    if isinstance(value, list | tuple):
        parts = [_flow(part, depth - 1) for part in value[:30]] if depth else ["..."]
        return "[" + (", ".join(parts) if value else "") + "]"
    if isinstance(value, int) and value.bit_length() > 256:
        return f"a number of {value.bit_length()} bits"
    return repr(value[:_LONGEST] if isinstance(value, str) else value)


def _kind(settings: Any, context: Mapping[str, Any]) -> str:
    """What is wrong with the key that tells one kind of settings from another."""
    if "tag" not in context:
        return _WORDS["missing"]
    value = settings.get(context["discriminator"].strip("'"))
    return f"{shown(value)}: {_one_of(value, _expected(context))}"


def _joined(path: str, key: str) -> str:
    return f"{path}.{key.strip(chr(39))}" if path else key.strip("'")


def _expected(context: Mapping[str, Any]) -> list[str]:
    """The words that a message of pydantic's lists."""
    return re.findall(r"'([^']*)'", context.get("expected") or context["expected_tags"])


def _one_of(value: Any, known: Collection[str]) -> str:
    """What a word may be: the nearest, and all where they are few."""
    near = get_close_matches(str(value), known, n=1, cutoff=_ALIKE)
    hint = f"did you mean {near[0]!r}?" if near else ""
    if hint and len(known) >= _MANY:
        return f"it is not known; {hint}"
    every = f"it is one of {', '.join(map(repr, known))}"
    return f"{every}; {hint}" if hint else every


def _choice(key: Any, known: Collection[str]) -> str:
    """Which key to write instead."""
    near = get_close_matches(str(key), known, n=1, cutoff=_ALIKE)
    return f"did you mean {near[0]!r}?" if near else f"here are {', '.join(known)}"


def _followed(schema: Schema, location: tuple[int | str, ...]) -> tuple[list[Any], Schema]:
    """The keys as they are written, and the schema where the last of them should stand.

    pydantic's locations also hold its own words for the members of a union; no schema has them.
    """
    keys: list[Any] = []
    place, last = _resolved(schema, schema), _resolved(schema, schema)
    for i, step in enumerate(location):
        if step == "[key]":
            break
        options = [place, *place.get("anyOf", [])]
        kinds = [option["discriminator"] for option in options if "discriminator" in option]
        mapping = kinds[0]["mapping"] if kinds else {}
        if step in mapping:
            place = _resolved(schema, {"$ref": mapping[step]})
            continue
        inside = _inside(schema, place, step)
        if inside is not None:
            keys.append(step)
            place, last = inside, place
        elif i == len(location) - 1 and "anyOf" not in place:  # an unknown key
            keys.append(step)
            last = place
    return keys, last


def _inside(schema: Schema, place: Schema, step: int | str) -> Schema | None:
    """The schema under a key, or of a place in a list; None if there is none."""
    for option in place.get("anyOf", [place]):
        option = _resolved(schema, option)
        if step in option.get("properties", {}):
            return _resolved(schema, option["properties"][step])
        if isinstance(step, int) and {"items", "prefixItems"} & option.keys():
            parts = option.get("prefixItems", [])
            part = parts[step] if step < len(parts) else option.get("items", {})
            return _resolved(schema, part if isinstance(part, Mapping) else {})
        named = [*option.get("patternProperties", {}).values(), option.get("additionalProperties")]
        if isinstance(named[0], Mapping):
            return _resolved(schema, named[0])
    return None


def _resolved(schema: Schema, place: Schema) -> Schema:
    while "$ref" in place:
        place = schema["$defs"][place["$ref"].rpartition("/")[2]]
    return place
