"""Write the digits as an image folder, and train twelve small networks of timm on them.

    python docs/tutorial/make_models.py mine

makes mine/train and mine/test (one folder a digit), mine/<model>.safetensors and mine/models.csv.
"""

from __future__ import annotations

import csv
import sys
from itertools import product
from pathlib import Path

import timm
import torch
from PIL import Image
from safetensors.torch import save_file
from sklearn.datasets import load_digits
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, interpolate

SIZE, TRAIN = 16, 600


def write_images(folder: Path, images: Tensor, labels: Tensor) -> None:
    """Write each image as a PNG into the folder of its digit."""
    for number, (image, label) in enumerate(zip(images, labels, strict=True)):
        place = folder / str(int(label))
        place.mkdir(parents=True, exist_ok=True)
        pixels = (image * 255).round().to(torch.uint8).numpy()
        Image.fromarray(pixels).convert("RGB").save(place / f"{number:04d}.png")


def train(images: Tensor, labels: Tensor, lr: float, decay: float, epochs: int) -> nn.Module:
    """Train a network on images (n, 3, size, size)."""
    torch.manual_seed(0)
    model = timm.create_model("test_resnet", num_classes=10)
    optimizer = torch.optim.AdamW(model.parameters(), lr=lr, weight_decay=decay)
    for _ in range(epochs):
        for batch in torch.randperm(len(labels)).split(50):
            optimizer.zero_grad()
            cross_entropy(model(images[batch]), labels[batch]).backward()
            optimizer.step()
    return model


def main(folder: Path) -> None:
    """Make the images, the models and their table."""
    pixels, targets = load_digits(return_X_y=True)
    order = torch.randperm(len(targets), generator=torch.Generator().manual_seed(0))
    small = torch.tensor(pixels, dtype=torch.float32).view(-1, 1, 8, 8)[order] / 16
    images = interpolate(small, size=SIZE, mode="bicubic").clamp(0, 1).squeeze(1)
    labels = torch.tensor(targets)[order]
    write_images(folder / "train", images[:TRAIN], labels[:TRAIN])
    write_images(folder / "test", images[TRAIN:], labels[TRAIN:])
    inputs = (images[:TRAIN, None].expand(-1, 3, -1, -1) - 0.5) / 0.5
    rows = []
    for lr, decay, epochs in product((0.002, 0.005), (0.0, 0.1, 1.0), (2, 4)):
        name = f"lr{lr}-decay{decay}-epochs{epochs}"
        model = train(inputs, labels[:TRAIN], lr, decay, epochs)
        save_file(model.state_dict(), folder / f"{name}.safetensors")
        source = {"source": "timm:test_resnet", "checkpoint": str(folder / f"{name}.safetensors")}
        rows.append({"model": name, **source, "lr": lr, "weight_decay": decay, "epochs": epochs})
        print(name)
    with open(folder / "models.csv", "w", newline="") as stream:
        writer = csv.DictWriter(stream, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
