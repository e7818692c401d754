"""Names of models and data from elsewhere: ``SCHEME:REST``. Needs no torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sharpness.checkpoints.table import CHECKSUM
from sharpness.data.registry import REGISTRY
from sharpness.io.errors import UserError
from sharpness.io.validation import hint

MODULE = "module:function"

MODEL_SCHEMES = {
    "timm": "timm:NAME, a network of timm",
    "torchvision": "torchvision:NAME[@WEIGHTS], a classifier of torchvision",
    "hf": "hf:NAME_OR_FOLDER, an image or sequence classifier of transformers",
    "open_clip": "open_clip:ARCH, an image tower with the linear head of its checkpoint",
    MODULE: "package.module:function, which returns a torch.nn.Module",
}
"""The schemes of models, and what each stands for."""

DATA_SCHEMES = {
    "imagefolder": "imagefolder:PATH, one folder of images for each class",
    "csv": "csv:PATH, sentences and their labels",
    "torchvision": "torchvision:NAME, a data set of torchvision",
    MODULE: "package.module:function, which returns batches or a data set of (input, target)",
}
"""The schemes of data besides the names of known data sets, and what each stands for."""

KNOWN_DATA = tuple(
    name for name, e in REGISTRY.items() if e.splits and e.kind in ("digits", "cifar", "photos")
)
"""Data sets of images that the project knows by name."""


@dataclass(frozen=True)
class ModelSource:
    """Where a model comes from.

    Attributes:
        source: its ``SCHEME:REST``.
        checkpoint: path or https address of a file with its weights; empty for none.
        key: of the dictionary of weights in that file; empty where there is one alone.
        checksum: of the file, such as ``sha256 9f18...``; empty for none.
        revision: of a repository of the hub; empty for the newest.
        pretrained: whether the library's own weights are taken.
        seed: of the random weights, where neither of these is given.
        arguments: keyword arguments of the function that builds the model.
    """

    source: str
    checkpoint: str = ""
    key: str = ""
    checksum: str = ""
    revision: str = ""
    pretrained: bool = False
    seed: int = 0
    arguments: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Raise UserError if the scheme is unknown, or settings contradict each other."""
        scheme, _ = parse_model(self.source)
        if self.pretrained and self.checkpoint:
            raise UserError(f"{self.source}: has both `pretrained` and a checkpoint; remove one")
        if self.pretrained and scheme == MODULE:
            raise UserError(f"{self.source}: `pretrained` is for libraries; let the function load")
        if self.revision and scheme != "hf":
            raise UserError(f"{self.source}: `revision` is for hf: alone; remove it")
        if self.checksum and not CHECKSUM.fullmatch(self.checksum):
            raise UserError(f"checksum {self.checksum!r}: is not `sha256 ...` or `md5 ...`")
        for name, value in {"key": self.key, "checksum": self.checksum}.items():
            if value and not self.checkpoint:
                raise UserError(f"{self.source}: `{name}` is of a checkpoint, which is not given")


def as_argument(value: Any) -> Any:
    """Return True and False for these words, which a function would take for true."""
    return {"true": True, "false": False}.get(str(value).lower(), value)


def parse_model(text: str) -> tuple[str, str]:
    """Return scheme and rest of a model; raise UserError if there is no such scheme."""
    return _parse(text, MODEL_SCHEMES, "model", ())


def parse_data(text: str) -> tuple[str, str]:
    """Return scheme and rest of a data set; those of a known one are empty and its name."""
    if text in KNOWN_DATA:
        return "", text
    return _parse(text, DATA_SCHEMES, "data", KNOWN_DATA)


def own_module(scheme: str, rest: str) -> str:
    """Return the file of a function's module below the working folder; empty for other schemes."""
    return rest.partition(":")[0].replace(".", "/") + ".py" if scheme == MODULE else ""


def _parse(
    text: str, schemes: Mapping[str, str], what: str, known: tuple[str, ...]
) -> tuple[str, str]:
    scheme, _, rest = text.partition(":")
    names = [*(name for name in schemes if name != MODULE), *known]
    if scheme in schemes and rest:
        return scheme, rest
    near = hint(scheme, names)
    misspelt = near.startswith("did") and "." not in scheme
    if rest.isidentifier() and all(map(str.isidentifier, scheme.split("."))) and not misspelt:
        return MODULE, text
    advice = near if misspelt else f"it is one of: {'; '.join([*schemes.values(), *known])}"
    raise UserError(f"{what} {text!r}: is not of the form SCHEME:REST; {advice}")
