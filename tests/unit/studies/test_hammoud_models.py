"""Rows of trained and measured models of the three small networks, and all their switches."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from photo_files import settings
from small_data import clothes, papers, shells

from sharpness.data.locate import locate
from sharpness.studies.hammoud import COLUMNS, fcnn, lenet
from sharpness.studies.hammoud import gat_models as gat
from sharpness.studies.hammoud.pool import read_examples
from sharpness.studies.hammoud.procedures import DATA, PRESETS

MIRROR = Path(__file__).parents[4] / "shared" / "mirror"
MEASURED = {
    "fcnn": (fcnn.train_and_measure_fcnn, shells),
    "gat": (gat.train_and_measure_gat, papers),
    "lenet": (lenet.train_and_measure_lenet, clothes),
}
SHORT = {
    "fcnn": PRESETS["fcnn"]["text"],
    "gat": replace(PRESETS["gat"]["text"], restarts=3),
    "lenet": replace(PRESETS["lenet"]["text"], epochs=3, restarts=3, rounds=2),
}
NETWORKS = pytest.mark.parametrize("network", SHORT)


def rows(network: str, procedure: Any, base: int, models: Sequence[int]) -> list[dict[str, Any]]:
    measured, data = MEASURED[network]
    return list(measured(data(), procedure, base, models))


cached = cache(rows)

OF_TRAINING = {
    "fcnn": {
        "first_row_lost": True,
        "standardised_label": False,
        "activation": "elu",
        "activated_output": True,
        "initial_weights": "torch",
        "minibatches": False,
        "learning_rate": 0.02,
        "stop": "code",
    },
    "gat": {"features_normalised": True, "learning_rate": 0.3, "stop": "code"},
    "lenet": {
        "initialisation": "torch",
        "learning_rate": 0.02,
        "batch": 32,
        "weight_decay": 5e-2,
        "threshold": 0.9,
        "epochs": 2,
        "eval_after_first_epoch": True,
        "mean_of_batch_means": True,
    },
}
OF_THE_MEASURE = {
    "fcnn": {"rho": 0.05, "ascent": "single", "repaired_projection": False},
    "gat": {
        "rho": 0.05,
        "restarts": 5,
        "duplicates": False,
        "dropout_in_measure": True,
        "objective": "training set",
    },
    "lenet": {
        "rho": 2e-4,
        "restarts": 2,
        "rounds": 1,
        "whole_epochs": True,
        "ascent_in_train_mode": True,
        "centre_after_first_step": True,
    },
}


def cases(switches: dict[str, dict[str, Any]]) -> list[tuple[str, str, Any]]:
    return [(name, key, value) for name in switches for key, value in switches[name].items()]


@pytest.mark.parametrize(("network", "switch", "value"), cases(OF_TRAINING))
def test_each_switch_of_training_changes_the_losses(network: str, switch: str, value: Any) -> None:
    short = SHORT[network]
    if switch == "stop" and network == "fcnn":
        short = replace(short, learning_rate=0.02)
    (plain,) = cached(network, short, 0, (0,))
    (changed,) = rows(network, replace(short, **{switch: value}), 0, (0,))
    assert float(changed["train_loss"]) != pytest.approx(float(plain["train_loss"]), rel=1e-3)


@pytest.mark.parametrize(("network", "switch", "value"), cases(OF_THE_MEASURE))
def test_each_switch_of_the_measure_changes_it_alone(network: str, switch: str, value: Any) -> None:
    (plain,) = cached(network, SHORT[network], 0, (0,))
    (changed,) = rows(network, replace(SHORT[network], **{switch: value}), 0, (0,))
    differ = {name for name in plain if plain[name] != changed[name]}
    assert differ == {"sharpness", "sharpness_again"}


@NETWORKS
def test_every_switch_is_tried(network: str) -> None:
    tried = {**OF_TRAINING[network], **OF_THE_MEASURE[network]}
    assert set(tried) == {field.name for field in fields(SHORT[network])}


@pytest.mark.parametrize(
    ("network", "procedure"),
    [*SHORT.items(), ("gat", replace(PRESETS["gat"]["code"], restarts=2))],
    ids=[*SHORT, "gat, code"],
)
def test_rows_are_of_their_base_and_model_alone(network: str, procedure: Any) -> None:
    found = rows(network, procedure, 3, (4, 0, 2))
    assert [row["model"] for row in found] == [4, 0, 2]
    assert all(set(row) == set(COLUMNS) - {"network", "procedure"} for row in found)
    assert {row["base"] for row in found} == {3}
    assert all((row["test_accuracy"] == "") == (network == "fcnn") for row in found)
    assert found == rows(network, procedure, 3, (4, 0, 2))
    (alone,), (other,) = (rows(network, procedure, base, (2,)) for base in (3, 4))
    for name in ("train_loss", "test_loss", "sharpness", "sharpness_again"):
        assert float(alone[name]) == pytest.approx(float(found[2][name]), rel=1e-3)
        assert len({row[name] for row in found}) == 3
        assert alone[name] != other[name]


@NETWORKS
def test_a_second_measurement_has_other_draws(network: str) -> None:
    (row,) = cached(network, SHORT[network], 0, (0,))
    first, again = float(row["sharpness"]), float(row["sharpness_again"])
    assert first != again
    assert first == pytest.approx(again, rel=0.5)


def test_a_measure_without_draws_is_not_repeated() -> None:
    code = PRESETS["fcnn"]["code"]
    (alone,), (drawn,) = (
        rows("fcnn", replace(code, minibatches=batches), 0, (1,)) for batches in (False, True)
    )
    assert alone["sharpness_again"] == ""
    assert drawn["sharpness_again"] not in ("", drawn["sharpness"])


@NETWORKS
def test_a_diverged_model_has_a_row(network: str) -> None:
    (row,) = rows(network, replace(SHORT[network], learning_rate=1e30), 0, (0,))
    assert row["train_loss"] == row["sharpness"] == "nan"


@pytest.mark.skipif(not MIRROR.is_dir(), reason="needs ../shared/mirror")
@pytest.mark.parametrize(
    ("network", "procedure", "ranges"),
    [
        (
            *("fcnn", PRESETS["fcnn"]["text"]),
            {"train_loss": (0.46, 0.53), "test_loss": (0.49, 0.55), "sharpness": (0.065, 0.11)},
        ),
        (
            *("gat", replace(PRESETS["gat"]["text"], restarts=10)),
            {"test_loss": (1.38, 1.78), "test_accuracy": (0.4, 0.8), "sharpness": (0.017, 0.033)},
        ),
    ],
    ids=["fcnn", "gat"],
)
def test_the_published_data_give_what_other_peoples_runs_gave(
    tmp_path: Path, network: str, procedure: Any, ranges: dict[str, tuple[float, float]]
) -> None:
    record = locate(DATA[network], settings(tmp_path, mirror=str(MIRROR)))
    measured, _ = MEASURED[network]
    found = list(measured(read_examples(network, record, None), procedure, 0, range(7)))
    for name, (low, high) in ranges.items():
        assert low < np.median([float(row[name]) for row in found]) < high
