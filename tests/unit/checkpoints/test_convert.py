"""Published models: their tables, name tables and files, and the way to a checkpoint."""

from __future__ import annotations

import errno
import fcntl
import hashlib
import io
import json
import subprocess
import sys
from collections import OrderedDict
from collections.abc import Iterable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from refusal import refused
from safetensors import SafetensorError, safe_open
from torch import nn
from toy_bert import BASE
from toys import CLIP, PRETRAINED_VIT

from sharpness.checkpoints import augreg, bert, convert, formats, soups
from sharpness.checkpoints.convert import download_checkpoint
from sharpness.checkpoints.table import PublishedModel, choose, read_table, write_models
from sharpness.checkpoints.torch_file import read_tensors, write_tensors
from sharpness.checkpoints.weight_map import Array, WeightEntry, to_file, to_network
from sharpness.networks import build
from sharpness.training.checkpoint import load_model

ROOT = Path(__file__).parents[3]

B16 = PRETRAINED_VIT | {"image_size": 224, "patch_size": 16, "dim": 768, "depth": 12, "heads": 12}
B16 |= {"mlp_dim": 3072, "classes": 1000}
B32 = B16 | {"name": "clip-vit", "patch_size": 32, "embedding": 512}
SQUARE = {"dim": 8, "mlp_dim": 8, "classes": 8}  # sizes do not tell what is transposed
SHAPES = [
    ("augreg", PRETRAINED_VIT),
    ("augreg", PRETRAINED_VIT | {"heads": 12, "depth": 1}),  # heads of width one
    ("augreg", PRETRAINED_VIT | SQUARE | {"image_size": 4, "heads": 1}),
    ("soups", CLIP),
    ("soups", CLIP | SQUARE | {"image_size": 8, "embedding": 8}),
]
SMALL = [SHAPES[0], SHAPES[3]]
IDS = ["augreg", "soups"]


def weights_of(architecture: dict[str, Any], seed: int = 0) -> dict[str, Array]:
    """A state dict of the network, drawn."""
    generator = np.random.default_rng(seed)
    return {
        name: generator.normal(0, 0.5, tuple(value.shape)).astype(np.float32)
        for name, value in build(architecture).state_dict().items()
    }


def network_of(architecture: dict[str, Any], weights: dict[str, Array]) -> nn.Module:
    network = build(architecture).eval()
    network.load_state_dict({name: torch.tensor(array) for name, array in weights.items()})
    return network


def images_of(architecture: dict[str, Any]) -> torch.Tensor:
    side = architecture["image_size"]
    return torch.randn(3, 3, side, side, generator=torch.Generator().manual_seed(2))


# Name tables


def test_tables_have_the_published_sizes() -> None:
    table = augreg.entries(B16)
    assert len({entry.upstream for entry in table}) == len(table) == 200
    assert sum(int(np.prod(entry.upstream_shape)) for entry in table) == 86_567_656
    assert len({entry.ours for entry in table}) == 152
    table, extras = soups.entries(B32), soups.text_side(512)
    assert len({entry.upstream for entry in table} | extras.keys()) == 160
    count = sum(int(np.prod(shape)) for shape in extras.values())
    count += sum(int(np.prod(entry.upstream_shape)) for entry in table)
    assert 4 * count == 455_846_820  # bytes of a published file's tensors


def test_tables_are_the_published_layouts() -> None:
    """By the digests of names and shapes in one published file of each."""

    def digest(layout: Iterable[Any]) -> str:
        return hashlib.sha256(repr(list(layout)).encode()).hexdigest()[:16]

    found = {entry.upstream: entry.upstream_shape for entry in augreg.entries(B16)}
    assert digest(found.items()) == "ad6580c2266349a4"  # in the file's order
    found = {entry.upstream: entry.upstream_shape for entry in soups.entries(B32)}
    assert digest(sorted((found | soups.text_side(512)).items())) == "be48352617b98fab"
    names = [(entry.upstream, entry.upstream_shape) for entry in bert.entries(BASE)]
    assert digest(sorted(names)) == "e305c793fd41804e"
    tf1 = [(e.upstream, e.ours, e.axes == (1, 0)) for e in bert.entries_tf1(BASE)]
    assert digest(sorted(tf1)) == "f7257ba4534ac98f"


def test_entries_order_join_and_stack() -> None:
    table = [
        WeightEntry("q", (2, 3, 1), "qk", (1, 2, 0), (3, 2)),
        WeightEntry("k", (2, 3, 1), "qk", (1, 2, 0), (3, 2)),
        WeightEntry("b", (2,), "bias"),
    ]
    q = np.arange(6, dtype=np.float32).reshape(2, 3, 1)
    arrays = {"q": q, "k": q + 6, "b": np.zeros(2, np.float32)}
    ours = to_network(table, arrays, "file")
    assert ours["qk"].tolist() == [[0, 3], [1, 4], [2, 5], [6, 9], [7, 10], [8, 11]]
    assert list(ours) == ["qk", "bias"]
    assert all(array.flags.c_contiguous for array in ours.values())
    back = to_file(table, ours)
    assert list(back) == ["q", "k", "b"]
    for name, array in arrays.items():
        np.testing.assert_array_equal(back[name], array)


def test_weights_of_another_network_are_not_written(tmp_path: Path) -> None:
    weights = weights_of(CLIP)
    for change, words in (
        ({"head.bias": None}, "head.bias is missing"),
        ({"stray": np.zeros(2, np.float32)}, "stray has no place"),
        ({"head.bias": np.zeros(6, np.float32)}, "head.bias has shape (6,); (5,) is needed"),
        ({"head.bias": np.zeros(5)}, "head.bias holds float64"),
    ):
        wrong = {k: v for k, v in (weights | change).items() if v is not None}
        with refused(words):
            formats.write("soups", tmp_path / "file", wrong, CLIP)
    assert not list(tmp_path.iterdir())


# Files of the publishers


@pytest.mark.parametrize(("form", "architecture"), SHAPES)
def test_what_is_written_is_read_back(
    form: str, architecture: dict[str, Any], tmp_path: Path
) -> None:
    weights = weights_of(architecture)
    formats.write(form, tmp_path / "file", weights, architecture)
    found = formats.read(form, tmp_path / "file", architecture)
    assert found.keys() == weights.keys()
    for name, array in weights.items():
        assert found[name].dtype == np.float32
        np.testing.assert_array_equal(found[name], array, err_msg=name)
    images = images_of(architecture)
    logits = network_of(architecture, found)(images)
    assert logits.equal(network_of(architecture, weights)(images))
    formats.write(form, tmp_path / "again", weights, architecture)
    assert (tmp_path / "again").read_bytes() == (tmp_path / "file").read_bytes()


def test_an_npz_is_as_numpy_writes_it(tmp_path: Path) -> None:
    """Uncompressed members, so that a full-size file has its 346 MB."""
    augreg.write(tmp_path / "file.npz", weights_of(PRETRAINED_VIT), PRETRAINED_VIT)
    plain = io.BytesIO()
    np.savez(plain, **to_file(augreg.entries(PRETRAINED_VIT), weights_of(PRETRAINED_VIT)))
    assert (tmp_path / "file.npz").read_bytes() == plain.getvalue()


def test_timm_reads_what_augreg_writes(tmp_path: Path) -> None:
    from timm.models import load_checkpoint
    from timm.models.vision_transformer import VisionTransformer

    weights, path = weights_of(PRETRAINED_VIT), tmp_path / "file.npz"
    augreg.write(path, weights, PRETRAINED_VIT)
    sizes = {"img_size": 12, "patch_size": 4, "embed_dim": 12, "depth": 2, "num_heads": 3}
    network = VisionTransformer(**sizes, mlp_ratio=17.5 / 12, num_classes=5).eval()
    load_checkpoint(network, str(path))
    images = images_of(PRETRAINED_VIT)
    assert network(images).equal(network_of(PRETRAINED_VIT, weights)(images))


def test_the_text_side_of_the_soups_may_be_there_or_not(tmp_path: Path) -> None:
    weights, path = weights_of(CLIP), tmp_path / "file.pt"
    formats.write("soups", path, weights, CLIP)
    arrays = read_tensors(path)
    extras = soups.text_side(7)
    assert {name: arrays[name].shape for name in extras} == extras
    for name in list(extras)[:3]:
        del arrays[name]
    arrays["model.ln_final.bias"] = np.full(3, np.nan, np.float32)  # whatever it holds
    write_tensors(path, arrays)
    assert formats.read("soups", path, CLIP).keys() == weights.keys()


def arrays_in(form: str, path: Path) -> dict[str, Array]:
    if form == "augreg":
        with np.load(path) as stored:
            return dict(stored)
    return read_tensors(path)


def put(form: str, path: Path, arrays: dict[str, Array]) -> None:
    if form == "augreg":
        with open(path, "wb") as stream:
            np.savez(stream, **arrays)
    else:
        write_tensors(path, arrays)


HEAD = {"augreg": "head/kernel", "soups": "classification_head.weight"}


@pytest.mark.parametrize(("form", "architecture"), SMALL, ids=IDS)
def test_what_does_not_fit_is_named(
    form: str, architecture: dict[str, Any], tmp_path: Path
) -> None:
    path, name = tmp_path / "file", HEAD[form]
    formats.write(form, path, weights_of(architecture), architecture)
    arrays = arrays_in(form, path)
    stray = {"model.stray": np.zeros(1, np.float32)}
    for change, words in (
        ({name: None}, f"{name} is missing"),
        ({name: arrays[name][:, :-1]}, f"{name} has shape"),  # a class or a feature less
        ({name: arrays[name].T}, f"{name} has shape"),
        ({name: arrays[name].astype(np.float64)}, f"{name} holds float64; float32"),
        (stray, "model.stray has no place"),
    ):
        put(form, path, {k: v for k, v in (arrays | change).items() if v is not None})
        with refused(path, words):
            formats.read(form, path, architecture)
    path.unlink()
    with refused(path, "no such file"):
        formats.read(form, path, architecture)


def test_a_model_that_diverged_is_read_and_named_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, weights = tmp_path / "file", weights_of(CLIP)
    weights["head.weight"].flat[1], weights["head.bias"].flat[1] = np.nan, np.inf
    formats.write("soups", path, weights, CLIP)
    found = formats.read("soups", path, CLIP)
    for name, array in weights.items():
        np.testing.assert_array_equal(found[name], array, err_msg=name)
    (line,) = capsys.readouterr().err.splitlines()
    assert line == f"{path}: head.weight and 1 more: NaN or infinite; the model diverged"


def test_torch_files_hold_tensors_by_name(tmp_path: Path) -> None:
    path = tmp_path / "file.pt"
    for value, words in (
        ([torch.zeros(2)], "holds a list"),
        ({"x": 3}, "x is int, not a plain tensor"),
        ({"x": {"y": torch.zeros(2)}}, "x is dict, not a plain tensor"),
    ):
        torch.save(value, path)
        with refused(path, words):
            read_tensors(path)


@pytest.mark.parametrize("new", [True, False], ids=["zip", "before torch 1.6"])
def test_torch_files_of_both_kinds(new: bool, tmp_path: Path) -> None:
    path = tmp_path / "file.pt"
    inner = OrderedDict(a=nn.Parameter(torch.ones(2)), n=torch.tensor(3))
    torch.save({"last": inner, "best": {}}, path, _use_new_zipfile_serialization=new)
    found = read_tensors(path, inside="last")
    assert found["a"].tolist() == [1, 1]
    assert found["n"].dtype == np.int64
    assert found["n"].shape == ()
    with refused("no dict with the key 'first'"):
        read_tensors(path, inside="first")


def test_an_unknown_format_is_refused(tmp_path: Path) -> None:
    with refused("format 'onnx' is unknown; it is one of augreg, soups"):
        formats.read("onnx", tmp_path, PRETRAINED_VIT)


def test_tables_and_formats_import_no_torch() -> None:
    code = (
        "from sharpness.checkpoints import augreg, convert, soups, table; import sys;"
        "print(sorted({'torch', 'timm', 'transformers'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


# Tables of models

HEADER = "model,run,note,url,bytes,checksum\n"
ROW = "a,0,,https://host.example/a.npz,,\n"


def test_a_table_is_read(tmp_path: Path) -> None:
    sha, md5 = "0" * 64, "1" * 32
    path = tmp_path / "table.csv"
    path.write_text(
        "model,rate,epochs,kind,url,bytes,checksum,file\n"
        "b-1,6.229787713239867e-06,4,rand-m12-n1,https://host.example/b,12,"
        f"md5 {md5}; sha256 {sha},\n"
        "a_2,0.30,,nan,,,,folder/a 2.pt\n"
    )
    first, second = read_table(path)
    assert first.parameters == {"rate": 6.229787713239867e-06, "epochs": 4, "kind": "rand-m12-n1"}
    assert (first.url, first.bytes, first.file) == ("https://host.example/b", 12, "")
    assert (first.digest("sha256"), first.digest("md5")) == (sha, md5)
    assert second.parameters == {"rate": 0.3, "epochs": "", "kind": "nan"}
    assert (second.url, second.bytes, second.file) == ("", None, "folder/a 2.pt")
    assert second.digest("sha256") is None
    write_models([first, second], tmp_path / "models.csv")
    assert (tmp_path / "models.csv").read_text() == (
        "model,rate,epochs,kind\nb-1,6.229787713239867e-06,4,rand-m12-n1\na_2,0.3,,nan\n"
    )


def test_a_table_of_a_spreadsheet_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MODELS", "/data/models")
    path = tmp_path / "table.csv"
    path.write_text("model,rate,file\r\na,0.5,$MODELS/a.pt\r\n\r\n", encoding="utf-8-sig")
    (member,) = read_table(path)
    assert member.model == "a"
    assert member.parameters == {"rate": 0.5}
    assert member.file == "/data/models/a.pt"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (HEADER, "has no rows"),
        ("model,run\na,0\n", "needs a column `model`, and `url` or `file`"),
        (
            "model,run,run,url,bytes,checksum\n" + ROW,
            "column 'run' is empty, padded or there twice",
        ),
        (HEADER + ROW + ROW, "row 3: model a is there twice"),
        (HEADER + ROW + "b,1\n", "row 3 has 2 cells; the header has 6"),
        (HEADER + ROW.replace("a,", "a\tb,", 1), "row 2: model 'a\\tb' is no name"),
        (HEADER + ROW.replace("https", "http"), "is not an https address"),
        (HEADER + "a,0,,,,\n", "neither url nor file; say where a is found"),
        (HEADER + "a,0,,https://host.example/a,0,\n", "bytes is '0'"),
        (HEADER + "a,0,,https://host.example/a,,sha256 12\n", "checksum 'sha256 12' is not"),
        (HEADER + 'a,0,"open\n', "cannot be read as a table"),
        (HEADER.replace(",", ";") + "a;0\n", "separated by semicolons; save it with commas"),
        (HEADER.replace(",", "\t"), "separated by tabs"),
        (HEADER + ROW.replace("a,0", 'a,"0,001"'), "row 2: run is '0,001'; write numbers with a"),
        (HEADER + ROW.replace("a,0", 'a,"-1,5e-3"'), "decimal point"),
        (HEADER + ROW + ROW.replace("a,", "b,", 1), "row 3: b has the file of a"),
        ("model,file\na,x/a.pt\nb,./x/a.pt\n", "row 3: b has the file of a"),
        ("model,file\na,$NO_SUCH_PLACE/a.pt\n", "variable NO_SUCH_PLACE is not set"),
        ("model,url\n\udcff,x\n", "cannot be read as a table"),
    ],
)
def test_a_wrong_table(text: str, words: str, tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    with refused(path, "cannot be read as a table"):
        read_table(path)
    path.write_bytes(text.encode(errors="surrogateescape"))
    with refused(path, words):
        read_table(path)


def test_the_projects_own_tables() -> None:
    counts = {"augreg-i1k": 56, "augreg-i21k": 56, "clip-soups": 72, "feather-berts": 100}
    for name, count in {**counts, "feather-berts-tf1": 100}.items():
        members = read_table(ROOT / "resources" / "pools" / f"{name}.csv")
        assert len({member.url for member in members}) == len(members) == count
        assert len({tuple(member.parameters) for member in members}) == 1


def test_choosing_is_seeded_nested_and_in_order() -> None:
    members = [PublishedModel(f"m{index}", {}) for index in range(30)]
    assert choose(members, None, 0) == members
    chosen = choose(members, 10, 0)
    assert len(chosen) == 10
    assert chosen == [member for member in members if member in chosen]
    assert choose(members, 10, 0) == chosen
    assert choose(members, 10, 1) != chosen
    assert all(member in choose(members, 20, 0) for member in chosen)
    assert choose(members[::-1], 10, 0) == chosen[::-1]
    with refused("take is 31, but the table has 30 models"):
        choose(members, 31, 0)


# From the file to the checkpoint

URL = "https://host.example/models/a%20b--1.npz"
PLACE = "host.example/models/a b--1.npz"


@pytest.fixture
def mirror(tmp_path: Path) -> Path:
    """A mirror that holds one AugReg file."""
    augreg.write(tmp_path / "mirror" / PLACE, weights_of(PRETRAINED_VIT), PRETRAINED_VIT)
    return tmp_path / "mirror"


def member(path: Path | None = None, **change: Any) -> PublishedModel:
    """The model of the mirror, with its digest if its path is given."""
    given: dict[str, Any] = {"model": "a-1", "parameters": {"rate": 0.1, "kind": ""}, "url": URL}
    if path is not None:
        given["bytes"] = path.stat().st_size
        given["checksum"] = f"sha256 {hashlib.sha256(path.read_bytes()).hexdigest()}"
    return PublishedModel(**given | change)


def bring(member: PublishedModel, mirror: Path | None, out: Path, **change: Any) -> None:
    places: dict[str, Any] = {"cache": out.parent / "cache", "mirror": mirror, "offline": True}
    settings = places | {"architecture": PRETRAINED_VIT, "standin": False, "keep": True} | change
    download_checkpoint(member, "augreg", settings.pop("architecture"), out, **settings)


def test_a_model_is_obtained(mirror: Path, tmp_path: Path) -> None:
    original, out = mirror / PLACE, tmp_path / "a-1.safetensors"
    bring(member(original), mirror, out)
    network, images = load_model(out), images_of(PRETRAINED_VIT)
    assert network(images).equal(network_of(PRETRAINED_VIT, weights_of(PRETRAINED_VIT))(images))
    with safe_open(out, "np") as stream:
        metadata = stream.metadata()
    assert json.loads(metadata["sharpness"]) == {
        "source": URL,
        "source_sha256": hashlib.sha256(original.read_bytes()).hexdigest(),
        "format": "augreg",
        "revision": convert.REVISION,
        "model": "a-1",
        "standin": False,
        "architecture": PRETRAINED_VIT,
        "hyperparameters": {"rate": 0.1, "kind": ""},
    }
    assert (tmp_path / "cache" / PLACE).read_bytes() == original.read_bytes()


def test_the_original_may_be_discarded(mirror: Path, tmp_path: Path) -> None:
    out, cached = tmp_path / "a-1.safetensors", tmp_path / "cache" / PLACE
    with refused("head/kernel has shape"):  # it stays where it cannot be read
        bring(member(), mirror, out, keep=False, architecture=PRETRAINED_VIT | {"classes": 9})
    assert not out.exists()
    bring(member(), mirror, out, keep=False)
    assert cached.exists()  # only what this call brought is discarded
    cached.unlink()
    first = out.read_bytes()
    bring(member(), mirror, out, keep=False)
    assert not cached.exists()
    assert (mirror / PLACE).exists()
    assert out.read_bytes() == first
    # What was trusted once is what is expected from then on.
    augreg.write(mirror / PLACE, weights_of(PRETRAINED_VIT, seed=1), PRETRAINED_VIT)
    with refused("a b--1.npz: refused", "pinned"):
        bring(member(), mirror, out, keep=False)
    assert out.read_bytes() == first


def test_the_original_is_held_while_it_is_discarded_and_may_stay(
    mirror: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    out, cached, unlink = tmp_path / "a-1.safetensors", tmp_path / "cache" / PLACE, Path.unlink

    def refusing(path: Path, missing_ok: bool = False) -> None:
        if path == cached:
            with open(path.with_name(".a b--1.npz.lock")) as lock, pytest.raises(BlockingIOError):
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        unlink(path, missing_ok)

    monkeypatch.setattr(Path, "unlink", refusing)
    bring(member(), mirror, out, keep=False)
    assert out.exists()
    said = f"{cached}: stays in the cache (Permission denied); delete it"
    assert said in capsys.readouterr().err


def test_without_room_nothing_half_is_left(
    mirror: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, undisturbed = tmp_path / "out" / "a-1.safetensors", tmp_path / "a-1.safetensors"
    bring(member(), mirror, undisturbed)

    def half(weights: Any, path: Path, metadata: Any) -> None:
        Path(path).write_bytes(b"half")
        raise SafetensorError("Error while serializing: I/O error: No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(convert, "save_file", half)
        with refused(out, "No space left on device", "make room"):
            bring(member(), mirror, out, keep=False)
        assert not out.exists()
        assert (out.parent / "cache" / PLACE).exists()
        patch.setattr(convert.shutil, "disk_usage", lambda path: SimpleNamespace(free=1000))
        patch.setattr(convert, "save_file", None)  # it is not even begun
        with refused(out, "1000 free; make room"):
            bring(member(), mirror, out)
    bring(member(), None, out)
    assert out.read_bytes() == undisturbed.read_bytes()


def test_a_local_file_is_read_where_it_lies(mirror: Path, tmp_path: Path) -> None:
    original, out = mirror / PLACE, tmp_path / "out" / "a-1.safetensors"
    before = set(original.parent.iterdir())
    bring(member(original, url="", file=str(original)), None, out, keep=False)
    assert set(original.parent.iterdir()) == before
    assert list(out.parent.iterdir()) == [out]
    with safe_open(out, "np") as stream:
        assert json.loads(stream.metadata()["sharpness"])["source"] == str(original)
    for source in ({"url": "", "file": str(tmp_path / "none")}, {}):
        words = (tmp_path / "none", "no such file", "row of a-1")
        with refused(*(words if source else (URL, "offline is true"))):
            bring(member(**source), None, tmp_path / "none.safetensors")
    assert not (tmp_path / "none.safetensors").exists()


@pytest.mark.parametrize("local", [False, True], ids=["fetched", "local"])
def test_published_facts_are_enforced_but_on_stand_ins(
    local: bool, mirror: Path, tmp_path: Path
) -> None:
    out, place = tmp_path / "a-1.safetensors", {"url": "", "file": str(mirror / PLACE)}
    for wrong, words in (("checksum", "sha256 is"), ("bytes", "bytes, not")):
        facts = {"checksum": "sha256 " + "0" * 64, "bytes": 7}
        false = member(**{wrong: facts[wrong]}, **(place if local else {}))
        with refused("a b--1.npz", words):
            bring(false, mirror, out)
        assert not out.exists()
        assert not (tmp_path / "cache" / PLACE).exists()
    bring(false, mirror, out, standin=True)
    first = out.read_bytes()
    augreg.write(mirror / PLACE, weights_of(PRETRAINED_VIT, seed=1), PRETRAINED_VIT)
    bring(false, mirror, out, standin=True)  # one may be made anew
    assert out.read_bytes() != first
    assert not (tmp_path / "cache" / PLACE).exists()
