"""CLIP's visual tower with a linear classifier (Radford et al., 2021; Wortsman et al., 2022)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from open_clip.transformer import QuickGELU, VisionTransformer
from torch import Tensor, nn
from torch.backends import mha

from sharpness.networks.vision_transformer import ratio


class ClipViT(nn.Module):
    """A classifier of image features of unit length; the tower is open_clip's, with QuickGELU.

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
        """Make the network for square images of three channels.

        Args:
            image_size: side of an image in pixels.
            patch_size: side of a patch in pixels; divides ``image_size``.
            dim: width of a token.
            depth: number of layers.
            heads: attention heads per layer; divides ``dim``.
            mlp_dim: hidden units of the perceptrons.
            embedding: width of the features, which CLIP's text side shares.
            classes: number of logits.
        """
        super().__init__()
        self.visual = VisionTransformer(
            image_size=image_size,
            patch_size=patch_size,
            width=dim,
            layers=depth,
            heads=heads,
            mlp_ratio=ratio(mlp_dim, dim),
            output_dim=embedding,
            act_layer=QuickGELU,
        )
        self.head = nn.Linear(embedding, classes)

    def forward(self, x: Tensor) -> Tensor:
        """Logits (n, classes) of images (n, 3, image_size, image_size)."""
        with _one_attention():
            features = self.visual(x)
        return self.head(features / features.norm(dim=-1, keepdim=True))


@contextmanager
def _one_attention() -> Iterator[None]:
    """The same arithmetic with gradients and without: PyTorch has a second one for the latter."""
    before = mha.get_fastpath_enabled()
    mha.set_fastpath_enabled(False)
    try:
        yield
    finally:
        mha.set_fastpath_enabled(before)
