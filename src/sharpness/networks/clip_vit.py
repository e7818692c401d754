"""CLIP's image encoder with a linear classifier (Radford et al., 2021; Wortsman et al., 2022)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from open_clip.transformer import QuickGELU, VisionTransformer
from torch import Tensor, nn
from torch.backends import mha

from sharpness.networks.vision_transformer import mlp_ratio


class ClipViT(nn.Module):
    """A linear classifier of unit-length image features from open_clip's encoder with QuickGELU.

    224×224 images, 32×32 patches, dim 768, depth 12, 12 heads, MLP 3072, embedding 512 and 1000
    classes are the ViT-B/32 of the soups (App. F): 88,362,216 parameters in 154 tensors.
    """

    def __init__(
        self,
        image_size: int,
        patch_size: int,
        dim: int,
        depth: int,
        heads: int,
        mlp_dim: int,
        embedding: int,
        classes: int,
    ) -> None:
        """Build the network for square images of three channels.

        ``patch_size`` divides ``image_size``, both in pixels; ``heads`` divides ``dim``, the width
        of a token; ``embedding`` is the width of the features, shared with CLIP's text encoder.
        """
        super().__init__()
        self.visual = VisionTransformer(
            image_size=image_size,
            patch_size=patch_size,
            width=dim,
            layers=depth,
            heads=heads,
            mlp_ratio=mlp_ratio(mlp_dim, dim),
            output_dim=embedding,
            act_layer=QuickGELU,
        )
        self.head = nn.Linear(embedding, classes)

    def forward(self, x: Tensor) -> Tensor:
        """Return logits (n, classes) of images (n, 3, image_size, image_size)."""
        with _one_attention():
            features = self.visual(x)
        return self.head(features / features.norm(dim=-1, keepdim=True))


@contextmanager
def _one_attention() -> Iterator[None]:
    """Disable PyTorch's attention fast path: without gradients, its arithmetic differs."""
    before = mha.get_fastpath_enabled()
    mha.set_fastpath_enabled(False)
    try:
        yield
    finally:
        mha.set_fastpath_enabled(before)
