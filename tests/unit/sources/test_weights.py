"""Weights from files: wrappers, keys, heads, and files that are refused."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from own_models import PLACES, network
from refusal import refused
from safetensors.torch import save_file

from sharpness.io.errors import UserError
from sharpness.io.files import sha256
from sharpness.sources.grammar import ModelSource
from sharpness.sources.models import load_model
from sharpness.sources.weights import read_weights

SOURCE = "own_models:network"


def states(classes: int = 3, seed: int = 5) -> dict[str, torch.Tensor]:
    torch.manual_seed(seed)
    return network(num_classes=classes).state_dict()


def loaded(path: Path, **more: Any) -> dict[str, torch.Tensor]:
    source = ModelSource(SOURCE, str(path), **more)
    return load_model(source, 3, PLACES).model.state_dict()


WRAPPED = {
    "plain": lambda state: state,
    "state_dict": lambda state: {"state_dict": state, "epoch": 3},
    "model": lambda state: {"model": state, "args": argparse.Namespace(lr=0.1)},
    "model_state_dict": lambda state: {"model_state_dict": state, "best": np.float64(0.5)},
    "module.": lambda state: {f"module.{name}": value for name, value in state.items()},
    "compiled": lambda state: {f"module._orig_mod.{name}": v for name, v in state.items()},
    "optimizer": lambda state: {"net": state, "optimizer": {"state": {0: {"m": torch.ones(2)}}}},
}


@pytest.mark.parametrize("name", WRAPPED)
def test_wrappers_are_taken_off(name: str, tmp_path: Path) -> None:
    state = states()
    torch.save(WRAPPED[name](state), tmp_path / "a.pt")
    found = loaded(tmp_path / "a.pt")
    assert found.keys() == state.keys()
    assert all(torch.equal(found[name], state[name]) for name in state)


def test_safetensors_by_content_and_with_a_checksum(tmp_path: Path) -> None:
    state = states()
    save_file(state, tmp_path / "weights.bin")
    checksum = f"sha256 {sha256(tmp_path / 'weights.bin')}"
    found = loaded(tmp_path / "weights.bin", checksum=checksum)
    assert all(torch.equal(found[name], state[name]) for name in state)
    with refused("weights.bin", "sha256"):
        loaded(tmp_path / "weights.bin", checksum=f"sha256 {'0' * 64}")


def test_of_several_dictionaries_the_key_decides(tmp_path: Path) -> None:
    raw, ema = states(seed=1), states(seed=2)
    path = tmp_path / "a.pt"
    torch.save({"state_dict": raw, "state_dict_ema": ema}, path)
    with refused(path, "state_dict, state_dict_ema", "key"):
        loaded(path)
    with refused(path, "'state_dict_em'", "state_dict, state_dict_ema"):
        loaded(path, key="state_dict_em")
    assert torch.equal(loaded(path, key="state_dict_ema")["1.weight"], ema["1.weight"])


def test_a_key_may_be_the_beginning_of_names(tmp_path: Path) -> None:
    raw, ema = states(seed=1), states(seed=2)
    both = {
        f"{start}.{k}": v for start, state in (("a", raw), ("ema", ema)) for k, v in state.items()
    }
    torch.save(both, tmp_path / "a.pt")
    assert torch.equal(read_weights(tmp_path / "a.pt", "ema")["1.weight"], ema["1.weight"])


def test_a_checkpoint_keeps_its_number_of_outputs(tmp_path: Path) -> None:
    torch.save(states(classes=7), tmp_path / "a.pt")
    model = load_model(ModelSource(SOURCE, str(tmp_path / "a.pt")), 3, PLACES)
    assert model.classes == 7
    assert model.model[3].out_features == 7


def test_what_does_not_fit_is_named(tmp_path: Path) -> None:
    path, state = tmp_path / "a.pt", states()
    for wrong, said in (
        ({k: v for k, v in state.items() if k != "1.bias"}, "1.bias is missing"),
        ({**state, "9.weight": torch.ones(2)}, "9.weight has no place"),
        ({**state, "1.weight": torch.ones(4, 63)}, "1.weight has shape (4, 63)"),
    ):
        torch.save(wrong, path)
        with refused(path, said):
            loaded(path)


def test_files_that_are_no_weights(tmp_path: Path) -> None:
    path = tmp_path / "a.pt"
    with refused(path, "no such checkpoint"):
        loaded(path)
    torch.save(network(), path)
    with refused(path, "refused", "torch.save(model.state_dict(), path)"):
        loaded(path)
    torch.save({"epoch": 3}, path)
    with refused(path, "holds no weights"):
        loaded(path)
    path.write_bytes(b"nothing of use")
    with pytest.raises(UserError, match=r"a\.pt"):
        loaded(path)
