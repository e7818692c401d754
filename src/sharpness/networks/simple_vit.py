"""SimpleViT (Beyer et al., 2022) in the form of vit-pytorch 0.40.2.

Later releases of that package have other parameters under the same class name and cannot load the
authors' checkpoints; names and sizes are therefore fixed here.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn


class Patches(nn.Module):
    """Cut images (n, c, h, w) into flat patches (n, tokens, p·p·c), channels innermost."""

    def __init__(self, size: int) -> None:
        """Set the side of a patch in pixels."""
        super().__init__()
        self.size = size

    def forward(self, x: Tensor) -> Tensor:
        """Return the patches of (n, c, h, w)."""
        n, c, h, w = x.shape
        p = self.size
        grid = x.reshape(n, c, h // p, p, w // p, p)
        return grid.permute(0, 2, 4, 3, 5, 1).reshape(n, (h // p) * (w // p), p * p * c)


class Attention(nn.Module):
    """Multi-head self-attention after a LayerNorm, without biases.

    It uses plain products and a softmax: fused kernels have no second derivative on a CPU.
    """

    def __init__(self, dim: int, heads: int, dim_head: int) -> None:
        """Build ``heads`` heads of width ``dim_head`` for tokens of width ``dim``."""
        super().__init__()
        self.heads = heads
        self.dim_head = dim_head
        self.norm = nn.LayerNorm(dim)
        self.to_qkv = nn.Linear(dim, 3 * heads * dim_head, bias=False)
        self.to_out = nn.Linear(heads * dim_head, dim, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Apply the layer to (n, tokens, dim)."""
        n, tokens, _ = x.shape
        qkv = self.to_qkv(self.norm(x)).reshape(n, tokens, 3, self.heads, self.dim_head)
        q, k, v = qkv.permute(2, 0, 3, 1, 4)  # each (n, heads, tokens, dim_head)
        weights = (q @ k.transpose(-1, -2) * self.dim_head**-0.5).softmax(dim=-1)
        mixed = (weights @ v).transpose(1, 2).reshape(n, tokens, self.heads * self.dim_head)
        return self.to_out(mixed)


class FeedForward(nn.Module):
    """LayerNorm, then an MLP of one hidden layer with exact GELU."""

    def __init__(self, dim: int, mlp_dim: int) -> None:
        """Build a hidden layer of ``mlp_dim`` units for tokens of width ``dim``."""
        super().__init__()
        self.net = nn.Sequential(
            nn.LayerNorm(dim), nn.Linear(dim, mlp_dim), nn.GELU(), nn.Linear(mlp_dim, dim)
        )

    def forward(self, x: Tensor) -> Tensor:
        """Apply the layer to (n, tokens, dim)."""
        return self.net(x)


class Transformer(nn.Module):
    """Pre-norm encoder: attention and MLP in turn, each added to its input."""

    def __init__(self, dim: int, depth: int, heads: int, dim_head: int, mlp_dim: int) -> None:
        """Build ``depth`` layers."""
        super().__init__()
        self.layers = nn.ModuleList(
            nn.ModuleList([Attention(dim, heads, dim_head), FeedForward(dim, mlp_dim)])
            for _ in range(depth)
        )

    def forward(self, x: Tensor) -> Tensor:
        """Apply the layers to (n, tokens, dim)."""
        for layer in self.layers:
            for part in layer.children():
                x = part(x) + x
        return x


class SimpleViT(nn.Module):
    """A vision transformer with a fixed position code, mean pooling and no class token.

    32×32 images, 4×4 patches, depth 6, 16 heads of width 64, dim 512, MLP 1024 and 10 classes are
    the ViT of the paper (Sec. 5.1): 18,927,114 parameters in 66 tensors.
    """

    position: Tensor

    def __init__(
        self,
        image_size: int,
        patch_size: int,
        dim: int,
        depth: int,
        heads: int,
        dim_head: int,
        mlp_dim: int,
        in_channels: int,
        classes: int,
    ) -> None:
        """Build the network for square images.

        ``patch_size`` divides ``image_size``, both in pixels; ``dim``, the width of a token, is a
        multiple of 4, at least 8; ``heads * dim_head`` need not be ``dim``.
        """
        super().__init__()
        code = sincos_position(image_size // patch_size, dim)
        self.register_buffer("position", code, persistent=False)
        embed = nn.Linear(patch_size**2 * in_channels, dim)
        self.to_patch_embedding = nn.Sequential(Patches(patch_size), embed)
        self.transformer = Transformer(dim, depth, heads, dim_head, mlp_dim)
        self.linear_head = nn.Sequential(nn.LayerNorm(dim), nn.Linear(dim, classes))

    def forward(self, x: Tensor) -> Tensor:
        """Return logits (n, classes) of images (n, in_channels, image_size, image_size)."""
        tokens = self.to_patch_embedding(x) + self.position
        return self.linear_head(self.transformer(tokens).mean(dim=1))


def sincos_position(side: int, dim: int) -> Tensor:
    """Return the sine and cosine position code (side², dim) of ``side`` × ``side`` tokens.

    It holds sin and cos of the column, then of the row, times dim/4 frequencies that fall
    geometrically from 1 to 1/10,000.
    """
    exponent = torch.arange(dim // 4) / (dim // 4 - 1)
    omega = 1 / 10_000**exponent
    row, column = torch.meshgrid(torch.arange(side), torch.arange(side), indexing="ij")
    y, x = (axis.flatten()[:, None] * omega for axis in (row, column))
    return torch.cat([x.sin(), x.cos(), y.sin(), y.cos()], dim=1)
