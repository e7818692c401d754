"""BERT: what it computes, its tensors' names, and the files of the PyTorch mirror."""

from __future__ import annotations

import math
from pathlib import Path

import torch
from refusal import refused
from torch import Tensor
from torch.nn.functional import layer_norm, linear
from toy_bert import BASE, TINY, arrays, drawn, loaded, pairs

from sharpness.checkpoints import bert, formats
from sharpness.networks import build


def tanh_gelu(x: Tensor) -> Tensor:
    return x / 2 * (1 + torch.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))


def plain_bert(w: dict[str, Tensor], inputs: dict[str, Tensor], heads: int) -> Tensor:
    """BERT as a formula over its state dict."""

    def dense(x: Tensor, name: str) -> Tensor:
        return linear(x, w[f"{name}.weight"], w[f"{name}.bias"])

    def norm(x: Tensor, name: str) -> Tensor:
        return layer_norm(x, x.shape[-1:], w[f"{name}.weight"], w[f"{name}.bias"], eps=1e-12)

    places = {
        "word": inputs["input_ids"],
        "position": torch.arange(inputs["input_ids"].shape[1]),
        "token_type": inputs["token_type_ids"],
    }
    tables = {name: w[f"bert.embeddings.{name}_embeddings.weight"] for name in places}
    x = sum((tables[name][where] for name, where in places.items()), torch.zeros(()))
    x = norm(x, "bert.embeddings.LayerNorm")
    n, tokens, dim = x.shape
    hidden = (inputs["attention_mask"] == 0)[:, None, None, :]
    depth = sum(name.endswith("intermediate.dense.bias") for name in w)
    for layer in (f"bert.encoder.layer.{index}" for index in range(depth)):
        q, k, v = (
            dense(x, f"{layer}.attention.self.{role}").view(n, tokens, heads, -1).transpose(1, 2)
            for role in ("query", "key", "value")
        )
        scores = (q @ k.mT / math.sqrt(dim / heads)).masked_fill(hidden, -math.inf)
        mixed = (scores.softmax(-1) @ v).transpose(1, 2).reshape(n, tokens, dim)
        attended = dense(mixed, f"{layer}.attention.output.dense")
        x = norm(x + attended, f"{layer}.attention.output.LayerNorm")
        inner = tanh_gelu(dense(x, f"{layer}.intermediate.dense"))
        x = norm(x + dense(inner, f"{layer}.output.dense"), f"{layer}.output.LayerNorm")
    return dense(dense(x[:, 0], "bert.pooler.dense").tanh(), "classifier")


def test_the_network_computes_the_formula() -> None:
    network = drawn().double()
    expected = plain_bert(network.state_dict(), pairs(), heads=2)
    assert expected.std() > 0.1
    torch.testing.assert_close(network(**pairs()).logits, expected, atol=1e-12, rtol=1e-10)


def test_a_hessian_vector_product_works_on_a_cpu() -> None:
    network = drawn().double()
    parameters = list(network.parameters())
    loss = network(**pairs()).logits.square().sum()
    slopes = torch.autograd.grad(loss, parameters, create_graph=True)
    product = torch.autograd.grad(sum(slope.sum() for slope in slopes), parameters)
    assert all(part.isfinite().all() for part in product)
    assert any(part.any() for part in product)


def test_base_has_the_published_size_and_the_tables_names() -> None:
    with torch.device("meta"):
        network = build(BASE)
    shapes = {name: tuple(tensor.shape) for name, tensor in network.state_dict().items()}
    assert len(shapes) == 201
    assert sum(parameter.numel() for parameter in network.parameters()) == 109_484_547
    for table in (bert.entries(BASE), bert.entries_tf1(BASE)):
        assert {entry.ours: entry.ours_shape for entry in table} == shapes
        assert len({entry.upstream for entry in table}) == 201


def test_a_bin_file_comes_back_and_is_laid_out_as_the_published_ones(tmp_path: Path) -> None:
    network, path = drawn(), tmp_path / "pytorch_model.bin"
    formats.write("bert", path, arrays(network), TINY)
    logits = loaded(formats.read("bert", path, TINY))(**pairs()).logits
    torch.testing.assert_close(logits, network(**pairs()).logits, atol=0, rtol=0)
    content = torch.load(path, weights_only=True)
    numbers = content.pop("bert.embeddings.position_ids")
    assert numbers.tolist() == [list(range(7))]
    assert numbers.dtype == torch.int64
    assert content.keys() == network.state_dict().keys()
    assert all(tensor.equal(content[name]) for name, tensor in network.state_dict().items())
    torch.save(content, path)  # the numbers of positions may be missing
    assert formats.read("bert", path, TINY).keys() == content.keys()


def test_a_file_that_does_not_fit_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "pytorch_model.bin"
    formats.write("bert", path, arrays(drawn()), TINY)
    with refused(path, "bert.embeddings.position_embeddings.weight has shape (7, 8)"):
        formats.read("bert", path, {**TINY, "positions": 6})
