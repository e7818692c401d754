"""Pools of the user's own models: what the configuration says of them, and its errors."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from sharpness.config import Config, validated
from sharpness.config.own import GIVEN, ModelsPool
from sharpness.config.required import items, missing_by_hand, needed_data, needed_parts
from sharpness.config.sheet import own_sheet
from sharpness.io.errors import UserError
from sharpness.measures.definition import PAPER

ROOT = Path(__file__).parents[3]
NORMALIZED, RAW = "worst-linf-adaptive-normlogits", "average-l2-standard-rawlogits"
TABLE = """model,source,width,checkpoint,checksum,error_old
a,nets:net,8,,,0.1
b,timm:vit_tiny_patch16_224,16,https://example.org/b.safetensors,,
c,timm:vit_tiny_patch16_224,24,gone.safetensors,,0.3
"""

Make = Callable[..., Config]


def settings_of(text: str = "auto") -> dict[str, Any]:
    return {"points": 64, "m": 32, "steps": 3, "radii": text}


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """The default configuration with a pool of one's own, changed."""

    def made(rows: str = TABLE, **changes: Any) -> Config:
        (tmp_path / "mine.csv").write_text(rows)
        raw = yaml.safe_load((ROOT / "config.yaml").read_text())
        mine = {
            "kind": "models",
            "models": str(tmp_path / "mine.csv"),
            "data": {"train": "digits", "test": "nets:data", "far": "csv:~/far.csv"},
            "sharpness": settings_of(),
        }
        raw["pools"]["mine"] = {k: v for k, v in (mine | changes).items() if v is not None}
        return validated(raw)

    return made


def pool_of(settings: Config) -> ModelsPool:
    pool = settings.pools["mine"]
    assert isinstance(pool, ModelsPool)
    return pool


def test_what_a_pool_says(make: Make) -> None:
    pool = pool_of(make())
    assert pool.models == ["a", "b", "c"]
    assert pool.jobs == {"a": ["a", "b", "c"]}
    assert pool.columns == ["width"]
    assert pool.known_data == {"train": "digits"}
    assert pool.data["far"] == f"csv:{Path.home()}/far.csv"
    assert pool.parts == ["train", "test", "far", "old"]
    assert pool.sources["old"] == GIVEN
    assert pool.random == []
    assert {made["standin"] for made in pool.made(standins=True).values()} == {False}


def test_the_initial_weights_are_in_the_plan_where_a_measure_needs_them(make: Make) -> None:
    measured = {**settings_of(), "measures": ["frobenius-distance"]}
    assert pool_of(make(initial="a", sharpness=measured)).plan(["paper"])["initial"] == "a"
    assert "initial" not in pool_of(make(initial="a")).plan(["paper"])
    assert "initial" not in pool_of(make(sharpness=measured)).plan(["paper"])


def test_radii_that_are_to_be_found_stand_apart_from_those_given(make: Make) -> None:
    plan = pool_of(make()).plan(["paper"])
    assert plan["auto"] == [definition.id for definition in PAPER]
    assert (plan["cells"], plan["protocols"]) == ([], ["paper"])
    mixed = settings_of() | {"radii": {RAW: "auto", NORMALIZED: [0.002, 0.001]}}
    plan = pool_of(make(sharpness=mixed)).plan(["paper"])
    assert plan["auto"] == [RAW]
    assert plan["cells"] == [f"{NORMALIZED}@{radius}+paper" for radius in (0.001, 0.002)]
    given = settings_of() | {"radii": {RAW: [0.1]}}
    assert "auto" not in pool_of(make(sharpness=given)).plan(["paper"])
    measured = mixed | {"measures": ["fisher-rao", "geodesic-inv@auto"]}
    plan = pool_of(make(sharpness=measured)).plan(["paper"])
    assert plan["auto"] == [RAW, "geodesic-inv@auto"]
    assert plan["measures"] == {"fisher-rao": 1, "geodesic-inv@auto": 1}


def test_data_with_given_errors_alone_are_not_opened(make: Make) -> None:
    table = "model,source,error_test\na,nets:net,0.1\nb,nets:other,0.2\n"
    pool = pool_of(make(table))
    assert list(pool.opened) == ["train", "far"]


def test_what_is_fetched(make: Make) -> None:
    settings = make()
    parts = needed_parts(settings)
    assert parts["mine"] == {"train": "digits"}
    names = needed_data(settings, parts, ())
    found = items(settings, names)["models/mine/b"]
    assert found == [{"url": "https://example.org/b.safetensors", "size": None, "checksum": ""}]
    assert "gone.safetensors: the table's row of c names it" in missing_by_hand(settings, names)


def test_the_sheet_of_a_pool(make: Make) -> None:
    sheet = own_sheet(make(), "mine")
    assert list(sheet) == [f"mine-{definition.id}" for definition in PAPER]
    figure = sheet[f"mine-{NORMALIZED}"]
    assert "3 models only" in figure.caption
    assert figure.colour.columns == ("width",)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"models": None}, "pools.mine.models: .*required"),
        ({"model": "x"}, "pools.mine.model: there is no such key; did you mean 'models'"),
        ({"data": {"test": "digits"}}, "data lacks 'train'"),
        ({"data": {"train": "digits"}}, "data lacks 'test', and .*mine.csv has no column error_te"),
        ({"data": {"train": "digts", "test": "digits"}}, "data.train: 'digts': .*mean 'digits'"),
        ({"data": {"train": "csv:$NOT/x.csv"}}, "data.train: .*variable NOT is not set"),
        ({"data": {"2nd": "digits"}}, "pools.mine.data.*2nd"),
        (
            {"data": {"train": "csv:a/x.csv", "test": "csv:a//x.csv"}},
            "data.test: is the training data",
        ),
        ({"labels": "gone.csv"}, "labels: gone.csv: no such file"),
        ({"initial": "d"}, "initial: 'd': is no model of .*mine.csv; it is one of a, b"),
        ({"subgroups": ["depth"]}, "subgroups: 'depth': is no column"),
        ({"table": 1}, "table: 1: tables are for the paper's pools"),
        ({"inputs": {"size": 8, "mean": [0.5], "std": []}}, "inputs.std: .*at least 1"),
        ({"inputs": {"size": 8, "mean": [127], "std": [1]}}, "mean .127.0.: is that of pixels in"),
        ({"inputs": {"size": 8, "mean": [0.5], "std": [1, 1]}}, "mean has 1 numbers, std has 2"),
        ({"data": {"train": "imagefolder:x", "test": "digits"}}, "inputs: imagefolder:x needs siz"),
        ({"sharpness": settings_of("atuo")}, "pools.mine.sharpness.radii: 'atuo'"),
        ({"sharpness": settings_of() | {"radii": {RAW: "atuo"}}}, f"radii.{RAW}: 'atuo': .*auto"),
        ({"sharpness": settings_of() | {"radii": {RAW: [-1]}}}, f"radii.{RAW}.0: -1"),
        (
            {"sharpness": settings_of() | {"radii": {"wrst": [1]}}},
            "mine.sharpness.radii.wrst",
        ),
        ({"sharpness": settings_of() | {"m": 7}}, "m: 7: does not divide the 64 points"),
        (
            {
                "sharpness": settings_of()
                | {"ablations": {"x": {"definition": RAW, "radii": [1], "data": ["augmented"]}}}
            },
            "sharpness.ablations.x.data: own data are not augmented",
        ),
        ({"table_": TABLE.replace("width", "gap_x")}, "'gap_x' is one of pool.csv"),
        ({"table_": TABLE.replace("width", "weights_from")}, "'weights_from' is one of pool"),
        ({"table_": TABLE.replace("width", "a@b")}, "'a@b' is one of pool.csv"),
        ({"table_": TABLE.replace("error_old", "error_train")}, "'error_train': that error is alw"),
        ({"table_": TABLE.replace("error_old", "error_a-b")}, "'a-b' is no name of a part"),
        ({"table_": TABLE.replace("nets:net", "vit")}, "mine.csv: row 2: model 'vit'"),
        ({"table_": "model\na\n"}, "mine.csv: has no column 'source'"),
    ],
)
def test_an_error_is_one_line(make: Make, changes: dict[str, Any], message: str) -> None:
    table = changes.pop("table_", TABLE)
    with pytest.raises(UserError, match=message) as raised:
        make(table, **changes)
    assert "\n" not in str(raised.value)
    assert str(raised.value).startswith("configuration: pools.mine")
