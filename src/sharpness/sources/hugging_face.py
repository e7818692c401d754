"""``hf:NAME_OR_FOLDER``: an image or sequence classifier of transformers."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from sharpness.io.errors import UserError
from sharpness.io.files import expanded
from sharpness.sources.grammar import ModelSource, parse_model
from sharpness.sources.preparation import ImageInputs, Preparation, TextInputs

LONGEST = 512
"""Most tokens of a text, where a tokenizer states no limit of its own."""


def build(source: ModelSource, classes: int | None) -> nn.Module:
    """Build the classifier of a configuration, in float32; code of a repository is not run.

    Raises:
        UserError: if it is no classifier, or if pretrained weights lack a tensor, such as the head,
            which transformers would draw at random in silence.
    """
    if source.arguments:
        raise UserError(f"{source.source}: takes no argument {next(iter(source.arguments))!r}")
    _check_there(source)  # before the import of transformers, which takes seconds
    import transformers

    transformers.logging.set_verbosity_error()  # what is wrong is an error here
    transformers.logging.disable_progress_bar()
    config, kind = _configuration(source)
    auto = getattr(transformers, f"AutoModelFor{kind}Classification")
    if not source.pretrained:
        if classes is not None:
            config.num_labels = classes
        return auto.from_config(config, dtype=torch.float32, trust_remote_code=False)
    model, info = auto.from_pretrained(
        _name(source),
        dtype=torch.float32,
        output_loading_info=True,
        **_where(source),
    )
    for key in ("missing_keys", "mismatched_keys"):
        if found := sorted(map(str, info.get(key, ()))):
            more = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
            raise UserError(
                f"{source.source}: its weights lack {found[0]}{more}, which would be random; name "
                "a model fine-tuned for classification"
            )
    return model


def _check_there(source: ModelSource) -> None:
    """Raise UserError, while offline, if neither a folder nor the hub's cache has the model."""
    from huggingface_hub import try_to_load_from_cache

    name = _name(source)
    if Path(name).is_dir():
        if not (Path(name) / "config.json").is_file():
            raise UserError(f"{source.source}: the folder has no config.json")
        return
    revision = source.revision or None
    cached = try_to_load_from_cache(name, "config.json", revision=revision)
    if os.environ.get("HF_HUB_OFFLINE") == "1" and not isinstance(cached, str):
        raise UserError(
            f"{source.source}: is no folder and not in the hub's cache, and there is no network; "
            "name a folder, or fetch it where there is one"
        )


def _name(source: ModelSource) -> str:
    return expanded(parse_model(source.source)[1])


def _where(source: ModelSource) -> dict[str, Any]:
    return {"revision": source.revision or None, "trust_remote_code": False}


def _configuration(source: ModelSource) -> tuple[Any, str]:
    """Return the configuration, and whether it is one of images or of sequences."""
    from transformers import (
        MODEL_FOR_IMAGE_CLASSIFICATION_MAPPING,
        MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING,
        AutoConfig,
    )

    config = AutoConfig.from_pretrained(_name(source), **_where(source))
    if type(config) in MODEL_FOR_IMAGE_CLASSIFICATION_MAPPING:
        return config, "Image"
    if type(config) in MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING:
        return config, "Sequence"
    raise UserError(
        f"{source.source}: transformers has no image or sequence classifier of {type(config)}"
    )


def output_names(source: ModelSource, model: Any) -> tuple[str, ...]:
    """Return the labels of the configuration; nothing if they are LABEL_0, LABEL_1, ..."""
    labels = {int(k): str(v) for k, v in model.config.id2label.items()}
    names = tuple(labels[k] for k in sorted(labels))
    plain = tuple(f"LABEL_{k}" for k in range(len(names)))
    return () if names == plain else names


def preparation(source: ModelSource, model: Any) -> Preparation:
    """Return the model's image processor, or its tokenizer.

    Raises:
        UserError: if the folder or repository has none, or a tokenizer without a vocabulary.
    """
    _, kind = _configuration(source)
    name = _name(source)
    if kind == "Image":
        return _images(source, name)
    return _texts(source, name, model)


def _images(source: ModelSource, name: str) -> ImageInputs:
    from transformers import AutoImageProcessor

    processor = AutoImageProcessor.from_pretrained(name, **_where(source))

    def transform(image: Any) -> Tensor:
        values: Tensor = processor(images=image, return_tensors="pt")["pixel_values"][0]
        return values

    kept = {k: v for k, v in sorted(processor.to_dict().items()) if _plain(v)}
    return ImageInputs({"library": "transformers", **kept}, transform)


def _plain(value: Any) -> bool:
    if isinstance(value, Mapping):
        return all(map(_plain, value.values()))
    if isinstance(value, list | tuple):
        return all(map(_plain, value))
    return value is None or isinstance(value, str | int | float | bool)


def _texts(source: ModelSource, name: str, model: Any) -> TextInputs:
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(name, **_where(source))
    known, rows = len(tokenizer), model.get_input_embeddings().weight.shape[0]
    if known <= len(set(tokenizer.all_special_tokens)):
        raise UserError(
            f"{source.source}: its tokenizer has no vocabulary; put vocab.txt or tokenizer.json "
            "into the folder"
        )
    if known > rows:
        raise UserError(f"{source.source}: its tokenizer has {known} tokens, the model {rows}")
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    if tokenizer.pad_token is None:
        raise UserError(
            f"{source.source}: its tokenizer has no token for padding; name a pad_token"
        )
    if model.config.pad_token_id is None:
        model.config.pad_token_id = tokenizer.pad_token_id
    stated = [tokenizer.model_max_length, getattr(model.config, "max_position_embeddings", LONGEST)]
    length = min(*stated, LONGEST)
    description = {
        **{"library": "transformers", "tokenizer": type(tokenizer).__name__},
        **{"tokens": known, "length": length},
    }

    def tokenize(first: Sequence[str], second: Sequence[str] | None) -> Mapping[str, Tensor]:
        pairs = [list(first)] if second is None else [list(first), list(second)]
        encoded = tokenizer(
            *pairs, truncation=True, max_length=length, padding="longest", return_tensors="pt"
        )
        return dict(encoded)

    return TextInputs(description, tokenize)
