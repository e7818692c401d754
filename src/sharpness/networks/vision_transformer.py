"""timm's vision transformer, with the settings of AugReg's checkpoints (Steiner et al., 2021)."""

from __future__ import annotations

from functools import partial

from timm.models.vision_transformer import VisionTransformer
from torch import nn


class ViT(VisionTransformer):
    """A vision transformer with class token, learned positions, exact GELU and LayerNorm ε 1e-6.

    224×224 images, 16×16 patches, dim 768, depth 12, 12 heads, MLP 3072 and 1000 classes are the
    ViT-B/16 of the paper (App. C): 86,567,656 parameters in 152 tensors.
    """

    def __init__(
        self,
        image_size: int,
        patch_size: int,
        dim: int,
        depth: int,
        heads: int,
        mlp_dim: int,
        classes: int,
    ) -> None:
        """Build the network for square images of three channels.

        ``patch_size`` divides ``image_size``, both in pixels; ``heads`` divides ``dim``, the width
        of a token; ``mlp_dim`` is the number of hidden units of each MLP.
        """
        super().__init__(
            img_size=image_size,
            patch_size=patch_size,
            embed_dim=dim,
            depth=depth,
            num_heads=heads,
            mlp_ratio=mlp_ratio(mlp_dim, dim),
            num_classes=classes,
            norm_layer=partial(nn.LayerNorm, eps=1e-6),
            act_layer=nn.GELU,
        )


def mlp_ratio(mlp_dim: int, dim: int) -> float:
    """Return the factor on ``dim`` that libraries truncate to exactly ``mlp_dim``."""
    return (mlp_dim + 0.5) / dim
