"""Bad configurations, a line each: refused in one line that a person wrote, never a traceback."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from sharpness.complaints import shown
from sharpness.config import Config, schema
from sharpness.config.reserved import FOLDERS, RULES
from sharpness.problem import Problem
from sharpness.validation import catalogues, validated

ROOT = Path(__file__).parents[1]
DEFAULT = json.loads(json.dumps(yaml.safe_load((ROOT / "config.yaml").read_text("utf-8"))))
FIGURES, STUDIES = ROOT / "resources" / "figures.yaml", ROOT / "resources" / "studies.yaml"
GONE = object()  # in the place of a value: the key is taken out
NAN, INF = float("nan"), float("inf")

R, V = "pools.cifar10-resnet18", "pools.cifar10-vit"
A, S, B = "pools.augreg-i1k", "pools.clip-soups", "pools.feather-berts"
WORST = "sharpness.radii.worst-linf-adaptive-normlogits"
SMALL = "simple.small_networks.networks"
TEXT = f"{SMALL}.fcnn.procedures.text"
A_NAME = "letters, digits, '.', '_' and '-'"
KEYS = "it must be keys with values"
NO_KEY, NOT_KNOWN = "there is no such key", "it is not known"
LOOP: list[Any] = []
LOOP.append(LOOP)

# The key, its value, what the line must say; and the key that is named, if it is another.
CASES: list[tuple[str, Any, str] | tuple[str, Any, str, str]] = [
    # keys that there are not, at every level
    ("scal", "x", f"{NO_KEY}; did you mean 'scale'?"),
    ("epochs", 3, f"{NO_KEY}; here are scale, note, results"),
    ("sample.example", 3, f"{NO_KEY}; did you mean 'examples'?"),
    ("data", {"cifar": {}}, f"{NO_KEY}; did you mean 'cifar10'?", "data.cifar"),
    ("data.mnli", {"path": "x"}, f"{NO_KEY}; here are file, folder, holdout", "data.mnli.path"),
    ("simple.lineer", {}, f"{NO_KEY}; did you mean 'linear'?"),
    ("simple.linear.seeds", [0], f"{NO_KEY}; did you mean 'seed'?"),
    (f"{SMALL}.lennet", {}, f"{NO_KEY}; did you mean 'lenet'?"),
    (f"{TEXT}.presets", "text", f"{NO_KEY}; did you mean 'preset'?"),
    (f"{R}.titel", "x", f"{NO_KEY}; did you mean 'title'?"),
    (f"{R}.checkpoints", {}, NO_KEY),
    (f"{R}.data.tests", "digits", f"{NO_KEY}; did you mean 'test'?"),
    (f"{R}.sweep.mixupp", 0.5, f"{NO_KEY}; did you mean 'mixup'?"),
    (f"{R}.training.epoch", 5, f"{NO_KEY}; did you mean 'epochs'?"),
    (f"{R}.architecture.depth", 3, f"{NO_KEY}; here are name, width, blocks"),
    (f"{R}.sharpness.point", 64, f"{NO_KEY}; did you mean 'points'?"),
    (f"{R}.sharpness.ablations.m.radius", [1], f"{NO_KEY}; did you mean 'radii'?"),
    (f"{A}.checkpoints.model", "x", f"{NO_KEY}; did you mean 'models'?"),
    (f"{A}.architecture.dept", 3, f"{NO_KEY}; did you mean 'depth'?"),
    (f"{A}.inputs.sizes", 3, f"{NO_KEY}; did you mean 'size'?"),
    # keys that must be there
    ("scale", GONE, "this key is required and is not there"),
    (f"{V}.sweep.learning_rate", GONE, "this key is required and is not there"),
    (f"{A}.checkpoints", GONE, "this key is required and is not there"),
    (f"{A}.architecture.name", GONE, "this key is required and is not there"),
    (f"{R}.data.test", GONE, "data lacks 'test', which every pool needs", R),
    ("pools.mine", {"title": "mine"}, "this key is required and is not there", "pools.mine.kind"),
    # values of another type
    ("scale", 7, "it must be a text; put it in quotes"),
    ("scale", None, "it must be a text"),
    ("scale", ["mini"], "it must be a text"),
    ("offline", "yes", "it must be true or false"),
    ("offline", 1, "it must be true or false"),
    ("gpus", True, "it must be a whole number"),
    ("gpus", "1", "it must be a whole number"),
    ("gpus", 1.5, "it must be a whole number"),
    ("resamples", None, "it must be a whole number"),
    ("jobs_per_card", {"a": 1}, "it must be a whole number"),
    ("protocols", "paper", "it must be a list"),
    ("studies", {"linear": True}, "it must be a list"),
    ("simple", [], KEYS),
    ("sample", 5, KEYS),
    ("pools", ["cifar10-vit"], KEYS),
    ("pools.mine", "sweep", KEYS),
    (f"{R}.sweep", "many", KEYS),
    (f"{R}.sweep.mixup", True, "it must be a number"),
    (f"{R}.sweep.learning_rate", 0.1, "it must be a list"),
    (f"{R}.sweep.learning_rate", ["low", 1], "it must be a number", f"{R}.sweep.learning_rate.0"),
    (f"{R}.{WORST}", 0.1, "it must be a list"),
    (f"{R}.{WORST}", [[0.1]], "it must be a number", f"{R}.{WORST}.0"),
    (f"{R}.{WORST}", LOOP, "it must be a number", f"{R}.{WORST}.0"),
    (f"{R}.architecture.blocks", [True], "a whole number", f"{R}.architecture.blocks.0"),
    (f"{TEXT}.switches", {"rho": [1]}, "it must be true or false, or", f"{TEXT}.switches.rho"),
    ("simple.diagonal.seeds", [0, "1"], "it must be a whole number", "simple.diagonal.seeds.1"),
    # numbers out of range
    ("gpus", -1, "it must be at least 0"),
    ("jobs_per_card", 0, "it must be above 0"),
    ("resamples", 10**12, "it must be at most 1000000000"),
    ("resamples", 10**5000, "it must be at most 1000000000"),
    ("decoders", 10**6, "it must be at most 1024"),
    ("sample.examples", 0, "it must be above 0"),
    ("simple.linear.seed", -1, "it must be at least 0"),
    ("simple.linear.seed", 2**32, "it must be below 4294967296"),
    ("simple.diagonal.networks", 10**12, "it must be at most 100000"),
    (f"{SMALL}.fcnn.examples", 5000, "Abalone has 4177"),
    (f"{SMALL}.lenet.examples", 10**6, "Fashion-MNIST has 60000"),
    (f"{TEXT}.models", 10**12, "it must be at most 100000"),
    (f"{R}.sweep.models", 0, "it must be above 0"),
    (f"{R}.sweep.models", 10**12, "it must be at most 100000"),
    (f"{R}.sweep.mixup", 1.5, "it must be at most 1"),
    (f"{R}.sweep.augment", -0.1, "it must be at least 0"),
    (f"{R}.sweep.sam_rho", [], "it must not be empty"),
    (f"{R}.sweep.sam_rho", [NAN], "it must be a finite number", f"{R}.sweep.sam_rho.0"),
    (f"{R}.sweep.learning_rate", [5, 0.1], "the lower bound 5.0 is above the upper bound 0.1"),
    (f"{R}.sweep.learning_rate", [0.1], "this key is required", f"{R}.sweep.learning_rate.1"),
    (f"{R}.sweep.learning_rate", [0.1, 0.2, 0.3], "it must have at most 2 entries"),
    (f"{R}.sweep.learning_rate", [0.1, INF], "a finite number", f"{R}.sweep.learning_rate.1"),
    (f"{R}.training.momentum", 1, "it must be below 1"),
    (f"{R}.training.warmup_fraction", 0, "it must be above 0"),
    (f"{R}.architecture.width", 10**9, "it must be at most 65536"),
    (f"{R}.architecture.blocks", [], "it must not be empty"),
    (f"{R}.sharpness.points", 0, "it must be above 0"),
    (f"{R}.sharpness.points", 10**12, "it must be at most 1000000000"),
    (f"{R}.sharpness.points", 2048, "the training set has 1000; take fewer"),
    (f"{B}.sharpness.points", 2048, "the sample (sample.examples) has 1000; take fewer"),
    (f"{R}.sharpness.m", 50, "m is 50, which does not divide the 128 points"),
    (f"{R}.sharpness.ablations.m.m", [48], "m is 48, which does not divide the 128 points"),
    (f"{R}.sharpness.max_train_error", 2, "it must be at most 1"),
    (f"{A}.max_test_error", 95, "it must be at most 1"),
    (f"{A}.checkpoints.take", 0, "it must be above 0"),
    (f"{A}.checkpoints.take", 57, "take is 57, but the table has 56 models", f"{A}.checkpoints"),
    # radii and other lists
    (f"{R}.{WORST}", [], "it must not be empty"),
    (f"{R}.{WORST}", [0.1, 0.10], "0.1 is there more than once"),
    (f"{R}.{WORST}", [2, 1, 2.0], "2.0 is there more than once"),
    (f"{R}.{WORST}", [-1], "it must be above 0", f"{R}.{WORST}.0"),
    (f"{R}.{WORST}", [0.0], "it must be above 0", f"{R}.{WORST}.0"),
    (f"{R}.{WORST}", [INF], "it must be a finite number", f"{R}.{WORST}.0"),
    (f"{R}.{WORST}", ["nan"], "it must be a finite number", f"{R}.{WORST}.0"),
    (f"{R}.{WORST}", [0.1000000000001], "at most 12 digits", f"{R}.{WORST}.0"),
    (f"{R}.sharpness.ablations.m.m", [16, 16], "16 is there more than once"),
    ("protocols", [], "it must not be empty"),
    ("protocols", ["paper", "paper"], "'paper' is there more than once"),
    ("studies", ["linear", "linear"], "'linear' is there more than once"),
    ("simple.small_networks.bases", [0, 0], "0 is there more than once"),
    (f"{R}.subgroups", ["mixup", "mixup"], "'mixup' is there more than once"),
    # words that there are not
    ("device", "gpu", "it is one of 'auto', 'cpu', 'cuda'; did you mean 'cpu'?"),
    ("protocols", ["papr"], "there is no such protocol; did you mean 'paper'?", "protocols.0"),
    ("studies", ["lineer"], "did you mean 'linear'?", "studies.0"),
    (f"{SMALL}.fcnn.procedures.code.preset", "notebook", "it is one of 'text', 'code'"),
    (f"{SMALL}.fcnn.procedures.mine", {"preset": "code", "switches": {"minibatch": True}},
     "fcnn has no such switch; did you mean 'minibatches'?", SMALL.rpartition(".")[0]),
    (f"{R}.kind", "trained", "it is one of 'sweep', 'published'"),
    (f"{R}.architecture.name", "resnet", "it is one of 'preact-resnet', 'simple-vit'"),
    (f"{R}.data.train", "cifar", f"{NOT_KNOWN}; did you mean 'cifar10'?"),
    (f"{R}.training.precision", "float16", "did you mean 'bfloat16'?"),
    (f"{R}.sharpness.radii.worst-linf-adaptve-normlogits", [1],
     "there is no such definition; did you mean 'worst-linf-adaptive-normlogits'?"),
    (f"{R}.sharpness.samples.papers", 3, "there is no such protocol; did you mean 'paper'?"),
    (f"{R}.sharpness.ablations.m.definition", "worst", "there is no such definition; it is one of"),
    (f"{A}.checkpoints.format", "npz", "it is one of 'augreg', 'soups', 'bert'"),
    (f"{A}.inputs.recipe", "crop", "it is one of 'augreg', 'timm', 'clip'"),
    (f"{A}.errors", "guess", "it is one of 'evaluate', 'published'"),
    (f"{R}.subgroups", ["mix_up"], "the models have no such column; did you mean 'mixup'?"),
    (f"{A}.subgroups", ["warmup"], "the models have no such column; it is one of pretraining, "),
    # names
    ("scale", "a/b", A_NAME),
    ("scale", "", A_NAME),
    ("scale", "..", A_NAME),
    ("scale", "x" * 101, "it must have at most 100 letters"),
    ("pools.my pool", {}, A_NAME),
    ("pools.-pool", {}, A_NAME),
    ("pools.a/b", {}, A_NAME),
    ("pools.ünique", {}, A_NAME),
    ("pools.line\nbreak", {}, A_NAME, r"pools.line\nbreak"),
    ("pools", {}, "it must not be empty"),
    # places
    ("results", "", "it must name a file or a folder"),
    ("results", "/", "it must name a folder of its own"),
    ("results", "..", "it must name a folder of its own"),
    ("results", "~/results", "~ is not expanded here"),
    ("results", "{results}", "it must not hold '{', which has a meaning in patterns"),
    ("results", "config.yaml", "it must be a folder; this is a file"),
    ("cache", "config.yaml", "it must be a folder; this is a file"),
    ("cache", "~nobody-of-this-name/cache", "there is no such user's home"),
    ("cache", "a\0b", "it must not hold line breaks"),
    ("mirror", "", "it must name a file or a folder"),
    ("mirror", "http://example.invalid/mirror", "it must be a folder or an https address"),
    ("mirror", "ftp://example.invalid", "it must be a folder or an https address"),
    ("mirror", "https://", "this one names no host"),
    ("mirror", "config.yaml", "it must be a folder; this is a file"),
    ("data.cifar10", {"file": "x", "folder": "y"}, "has both file and folder; keep one of them"),
    ("data.hans", {"folder": "x"}, "name its file", "data.hans.folder"),
    ("data.mnli", {"holdout": "x"}, "only imagenet has one; remove it", "data.mnli.holdout"),
    ("simple.two_layer_relu.runs", "no/such.yaml", "No such file or directory"),
    ("simple.two_layer_relu.runs", "resources", "it must be a file; this is a folder"),
    ("simple.two_layer_relu.runs", "resources/studies.yaml", "this key is required"),
    # settings that do not fit each other
    (f"{A}.checkpoints.format", "bert", "format 'bert' holds bert, not vit", A),
    (f"{A}.sharpness.max_train_error", 0.1, "max_train_error is for sweeps", A),
    (f"{R}.data", {"train": "mnli", "test": "mnli"}, "no sweep is trained on", f"{R}.data.train"),
    (f"{R}.data.corrupted", "cifar10-c", "the data of a pool must be of one kind"),
    (f"{R}.data.heldout", "imagenet-2p", "the data of a pool must be of one kind"),
    (f"{R}.data.train", "digits-c", "has no training examples; it is one of digits, cifar10"),
    (f"{A}.data.train", GONE, "data lacks 'train', which every pool needs", A),
    (f"{A}.data", {"train": "mnli", "test": "mnli"}, "is no data for vit", f"{A}.data.train"),
    (f"{A}.data.v2", "hans-lexical", "the data of a pool must be of one kind"),
    (f"{A}.inputs", None, "imagenet needs {name: photos, ...}"),
    (f"{A}.inputs", {"name": "tokens"}, "imagenet needs {name: photos, ...}"),
    (f"{B}.inputs", {"name": "photos", "recipe": "clip"}, "mnli needs {name: tokens, ...}"),
    (f"{A}.inputs.size", 16, "architecture.image_size is 8"),
    (f"{B}.inputs.length", 64, "architecture.positions is 32"),
    (f"{B}.architecture.classes", 2, "mnli has 3 classes"),
    (f"{A}.architecture.patch_size", 3, "does not divide an image of 8 pixels"),
    (f"{S}.architecture.heads", 5, "does not divide dim, which is 24"),
    (f"{V}.architecture.dim", 30, "it must be a multiple of 4, at least 8"),
    (f"{A}.sharpness.ablations",
     {"a": {"definition": "average-l2-standard-rawlogits", "radii": [1], "data": ["augmented"]}},
     "only CIFAR-10 and digits have augmented views", f"{A}.sharpness.ablations.a.data"),
    (f"{SMALL}.gat.examples", 5, "a graph is always whole", "simple.small_networks"),
    (f"{TEXT}.switches", {"rho": 0.1}, "this name means the preset", "simple.small_networks"),
    *((f"pools.{name}", "R", "this is the name of a") for name in (
        *("all", "tables", "figures", "report", "fetch", "data", "logs", "benchmarks"),
        *("simple", "standin", "linear", "small_networks", "two_layer_relu", "train", "wen1"),
        *("Data", "fetched"),
    )),
    ("pools.CIFAR10-VIT", "R", "differs from cifar10-vit by capitals alone"),
]  # fmt: skip


def changed(path: str, value: Any) -> dict[str, Any]:
    """The default configuration with one key set; "R" is a copy of the pool of that letter."""
    raw = copy.deepcopy(DEFAULT)
    if value == "R":
        value = copy.deepcopy(raw["pools"]["cifar10-resnet18"])
    *outer, last = path.split(".", 2) if path.startswith("pools.") else path.split(".")
    keys = [*outer, *last.split(".")]
    inner = raw
    for key in keys[:-1]:
        inner = inner.setdefault(key, {})
    if value is GONE:
        del inner[keys[-1]]
    else:
        inner[keys[-1]] = value
    return raw


def refused(raw: dict[str, Any]) -> str:
    with pytest.raises(Problem) as caught:
        validated(raw)
    return str(caught.value)


def person_wrote(message: str) -> None:
    """One line, and nothing in it that only Python or pydantic would say."""
    assert message.isprintable(), message
    assert len(message) < 700, message
    for word in ("Input should", "type=", "validation error", "Value error", "Errno", "pydantic"):
        assert word not in message
    assert not re.search(r"\bNone\b|\bTrue\b|\bFalse\b|<class|function-|\[key\]", message), message


def names(case: tuple[Any, ...]) -> str:
    return f"{case[0]}={shown(case[1]) if case[1] is not GONE else 'gone'}"[:70]


@pytest.mark.parametrize("case", CASES, ids=names)
def test_a_bad_configuration_is_one_line(case: tuple[Any, ...], monkeypatch: Any) -> None:
    monkeypatch.chdir(ROOT)
    path, value, words = case[:3]
    message = refused(changed(path, value))
    person_wrote(message)
    assert message.startswith(f"configuration: {case[3] if case[3:] else path}: ")
    assert words in message


def test_there_are_many_and_the_value_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    assert len(CASES) >= 150
    for path, value, shows in [
        ("gpus", -1, "gpus: -1: "),
        ("scale", None, "scale: null: "),
        ("gpus", True, "gpus: true: "),
        ("scale", "é/\n", r"scale: 'é/\n': "),
        ("gpus", {"a": [1, None]}, "gpus: {'a': [1, null]}: "),
        ("gpus", 10**5000, "gpus: a number of 16610 bits: "),
        ("gpus", "x" * 100, f"gpus: '{'x' * 56}...: "),
    ]:
        assert shows in refused(changed(path, value))


@pytest.mark.parametrize("raw", [{}, {1: 2}, {"pools": None}, {None: {}}])
def test_hardly_a_configuration(raw: dict[Any, Any]) -> None:
    person_wrote(refused(raw))


# ---- what is allowed though it looks odd ----

FINE = [
    ("results", "/scratch/me/results", "/scratch/me/results"),
    ("results", "./results/", "results"),
    ("mirror", "https://example.invalid/mirror", None),
    ("mirror", "http://localhost:8000/mirror", None),
    ("mirror", "/not/there/yet", None),
    (f"{R}.{WORST}", ["1e-3", 2], None),  # YAML takes 1e-3 for a text
    (f"{R}.sweep.learning_rate", [1, 1], None),
]


@pytest.mark.parametrize(("path", "value", "found"), FINE)
def test_what_is_allowed(
    path: str, value: Any, found: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    settings = validated(changed(path, value))
    if found:
        assert getattr(settings, path) == found


def test_a_number_written_as_a_text_is_that_number(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    pool = validated(changed(f"{R}.{WORST}", ["1e-3"])).pools["cifar10-resnet18"]
    assert pool.sharpness.radii["worst-linf-adaptive-normlogits"] == [0.001]


# ---- tables of models ----

HEAD = "model,url,bytes,checksum,width\n"
ROW = "a,https://example.invalid/a.npz,10,md5 " + "0" * 32 + ",1\n"
FILES: list[tuple[str, bytes | None, str]] = [
    ("missing", None, "No such file or directory"),
    ("empty", b"", "needs a column `model`"),
    ("head alone", HEAD.encode(), "has no rows"),
    ("binary", b"\xff\xfe\x00", "cannot be read as a table"),
    ("not UTF-8", (HEAD + ROW).encode("utf-16"), "cannot be read as a table"),
    ("latin1", (HEAD + "\xe9" + ROW).encode("latin1"), "cannot be read as a table"),
    ("no model", (HEAD + ROW).replace("model", "name").encode(), "needs a column `model`"),
    ("no url", (HEAD + ROW).replace("url", "address").encode(), "needs a column `model`, and"),
    ("twice", (HEAD + ROW + ROW).encode(), "row 3: model a is there twice"),
    ("ragged", (HEAD + ROW + "b,x\n").encode(), "row 3 has 2 cells; the header has 5"),
    ("column twice", (HEAD.replace("width", "url") + ROW).encode(), "column 'url' is"),
    ("column unnamed", (HEAD.replace("width", "") + ROW).encode(), "column '' is"),
    ("plain http", (HEAD + ROW).replace("https", "http").encode(), "is not an https address"),
    ("no place", (HEAD + "a,,,,1\n").encode(), "has neither url nor file"),
    ("bytes", (HEAD + ROW).replace(",10,", ",-10,").encode(), "bytes is '-10'"),
    ("bytes", (HEAD + ROW).replace(",10,", ",many,").encode(), "bytes is 'many'"),
    ("checksum", (HEAD + ROW).replace("md5 0", "md5 ").encode(), "is not `sha256 ...`"),
    ("name", (HEAD + ROW.replace("a,", ",", 1)).encode(), "model '' is no name"),
    ("quote", (HEAD + '"a').encode(), "cannot be read as a table"),
]


@pytest.mark.parametrize(
    ("kind", "content", "words"), FILES, ids=[f"{f[0]}: {f[2]}" for f in FILES]
)
def test_a_bad_table_of_models(
    kind: str, content: bytes | None, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    table = tmp_path / "models.csv"
    if content is not None:
        table.write_bytes(content)
    message = refused(changed(f"{A}.checkpoints.models", str(table)))
    person_wrote(message)
    assert message.startswith(f"configuration: {A}.checkpoints: {table}: ")
    assert words in message


def test_a_folder_in_the_place_of_a_table(tmp_path: Path) -> None:
    message = refused(changed(f"{A}.checkpoints.models", str(tmp_path)))
    person_wrote(message)
    assert f"{tmp_path}: cannot be read as a table: Is a directory" in message


# ---- catalogues ----

DAMAGED: list[tuple[str, Callable[[str], str | bytes], str]] = [
    ("figures", lambda text: "[" + text, "not YAML"),
    ("figures", lambda text: "", "not a list of figures"),
    ("figures", lambda text: "- 1", "entry 1: 1: it must be keys with values"),
    ("figures", lambda text: b"\xff", "is no UTF-8 text"),
    ("figures", lambda text: "- 2020-99-99", "not YAML"),
    ("figures", lambda text: text.replace("id: fig5\n", "id: fig/5\n"), "must consist of letters"),
    ("figures", lambda text: text.replace("id: fig5\n", "id: tables\n"), "also the name of a rule"),
    ("figures", lambda text: text.replace("title:", "titel:", 1), "did you mean 'title'?"),
    ("studies", lambda text: "]" + text, "not YAML"),
    ("studies", lambda text: "- linear", "not studies by name"),
    ("studies", lambda text: "linear: x", "linear: 'x': it must be keys with values"),
    ("studies", lambda text: text.replace("diagonal:", "diagonals:"), "has no study 'diagonal'"),
    ("studies", lambda text: "\0", "not YAML"),
]


@pytest.mark.parametrize(("which", "damage", "words"), DAMAGED, ids=[case[2] for case in DAMAGED])
def test_a_damaged_catalogue(
    which: str,
    damage: Callable[[str], str | bytes],
    words: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(ROOT)
    settings = validated(DEFAULT)
    paths = {"figures": FIGURES, "studies": STUDIES}
    content = damage(paths[which].read_text(encoding="utf-8"))
    paths[which] = tmp_path / "damaged.yaml"
    paths[which].write_bytes(content.encode() if isinstance(content, str) else content)
    with pytest.raises(Problem, match=re.escape(words)) as caught:
        catalogues(settings, str(paths["figures"]), str(paths["studies"]))
    person_wrote(str(caught.value))


@pytest.mark.parametrize("pool", ["fig38", "FIG38", "fig7", "hammoud1"])
def test_no_pool_has_the_name_of_a_figure(pool: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    settings = validated(changed(f"pools.{pool}", "R"))
    with pytest.raises(
        Problem, match=f"^configuration: pools.{pool}: this is the name of a figure"
    ):
        catalogues(settings, str(FIGURES), str(STUDIES))


def test_the_shipped_catalogues_are_fine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    figures, studies = catalogues(validated(DEFAULT), str(FIGURES), str(STUDIES))
    assert "fig38" in figures
    assert "linear" in studies


def test_every_rule_is_a_name_that_no_pool_may_have() -> None:
    files = [ROOT / "Snakefile", *(ROOT / "rules").glob("*.smk")]
    text = "\n".join(path.read_text(encoding="utf-8") for path in files)
    rules = set(re.findall(r"^(?:rule|checkpoint) (\w+):", text, re.MULTILINE))
    assert len(rules) > 20
    assert rules <= RULES


def test_every_folder_beside_the_pools_is_a_name_that_no_pool_may_have() -> None:
    files = [*(ROOT / "rules").glob("*.smk")]
    text = "\n".join(path.read_text(encoding="utf-8") for path in files)
    folders = set(re.findall(r"[<{](?:results|settings\.home)[>}]/(\w+)[/\"]", text))
    assert folders >= {"data", "figures", "tables", "standin", "simple"}
    assert folders <= FOLDERS


# ---- the schema ----


def closed(place: Any, path: str = "schema") -> Iterator[str]:
    """Every part of a schema that allows keys which it does not name."""
    if isinstance(place, dict):
        if place.get("type") == "object" and not closes(place):
            yield path
        for key, inner in place.items():
            yield from closed(inner, f"{path}.{key}")
    if isinstance(place, list):
        for number, inner in enumerate(place):
            yield from closed(inner, f"{path}.{number}")


def closes(place: dict[str, Any]) -> bool:
    """No other keys; or keys of a list of words; or the switches, which their network knows."""
    words = "enum" in place.get("propertyNames", {})
    return place.get("additionalProperties") is False or words or place["title"] == "Switches"


def test_no_part_of_the_schema_is_open() -> None:
    whole = yaml.safe_load(schema())
    assert whole["additionalProperties"] is False
    assert list(closed(whole)) == []
    del whole["$defs"]["Sweep"]["additionalProperties"]
    assert list(closed(whole)) == ["schema.$defs.Sweep"]


def groups(raw: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    if isinstance(raw, dict):
        yield path
        for key, inner in raw.items():
            yield from groups(inner, (*path, key))


@pytest.mark.parametrize("path", list(groups(DEFAULT)), ids=".".join)
def test_an_unknown_key_is_refused_everywhere(
    path: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    raw = inner = copy.deepcopy(DEFAULT)
    for key in path:
        inner = inner[key]
    inner["unheard-of"] = {}
    message = refused(raw)
    person_wrote(message)
    assert message.startswith("configuration: " + ".".join((*path, "unheard-of")))


def test_the_models_agree_with_the_schema() -> None:
    assert Config.model_json_schema()["properties"].keys() == Config.model_fields.keys()
