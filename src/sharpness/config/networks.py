"""Networks and what they take, with the papers' own sizes as defaults."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from sharpness.sizes import Blocks, Size
from sharpness.validation import Settings


class ResNet(Settings):
    """PreAct ResNet; width 64 and blocks [2, 2, 2, 2] is the paper's ResNet-18."""

    name: Literal["preact-resnet"]
    width: Size = 64
    blocks: Blocks = Field(default=[2, 2, 2, 2])


class SimpleViT(Settings):
    """SimpleViT; the defaults are the paper's (App. H)."""

    name: Literal["simple-vit"]
    patch_size: Size = 4
    dim: Size = 512
    depth: Size = 6
    heads: Size = 16
    dim_head: Size = 64
    mlp_dim: Size = 1024


class ViT(Settings):
    """timm's VisionTransformer; the defaults are ViT-B/16 (App. C)."""

    name: Literal["vit"]
    image_size: Size = 224
    patch_size: Size = 16
    dim: Size = 768
    depth: Size = 12
    heads: Size = 12
    mlp_dim: Size = 3072
    classes: Size = 1000


class ClipViT(Settings):
    """The visual tower of CLIP with a linear head; the defaults are ViT-B/32 (App. F)."""

    name: Literal["clip-vit"]
    image_size: Size = 224
    patch_size: Size = 32
    dim: Size = 768
    depth: Size = 12
    heads: Size = 12
    mlp_dim: Size = 3072
    embedding: Size = 512
    classes: Size = 1000


class Bert(Settings):
    """BERT with a classification head; the defaults are BERT-base, uncased (App. G)."""

    name: Literal["bert"]
    vocabulary: Size = 30522
    positions: Size = 512
    types: Size = 2
    dim: Size = 768
    depth: Size = 12
    heads: Size = 12
    mlp_dim: Size = 3072
    classes: Size = 3


class PhotoInputs(Settings):
    """How a photo becomes a tensor: a recipe of the publishers, at a size in pixels."""

    name: Literal["photos"]
    recipe: Literal["augreg", "timm", "clip"]
    size: Size = 224


class TokenInputs(Settings):
    """How a pair of sentences becomes tokens: BERT's WordPiece, cut and padded to a length."""

    name: Literal["tokens"]
    length: Size = 128
