"""Files that are whole or absent; jobs that end in one line."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest
from refusal import refused

from sharpness.io.errors import UserError
from sharpness.io.files import (
    atomic,
    digest,
    expanded,
    model_entry,
    read_json,
    read_yaml,
    sha256,
    write_json,
    write_text,
)
from sharpness.io.job import job


def test_an_interrupted_write_leaves_the_old_file_and_nothing_else(tmp_path: Path):
    path = tmp_path / "file.txt"
    write_text(path, "old")

    def interrupted() -> None:
        with atomic(path) as temporary:
            temporary.write_text("half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_json_is_canonical(tmp_path: Path):
    write_json(tmp_path / "a", {"b": 1, "a": "ρ"})
    write_json(tmp_path / "b", {"a": "ρ", "b": 1})
    assert sha256(tmp_path / "a") == sha256(tmp_path / "b")
    assert read_json(tmp_path / "a") == {"a": "ρ", "b": 1}


def test_a_model_that_a_file_lacks_is_one_line_with_a_command(tmp_path: Path):
    path = tmp_path / "made here.json"
    assert model_entry({"a": 1}, "a", path) == 1
    with pytest.raises(UserError, match=f"here.json: b is not in it; .*: rm '{path}'$"):
        model_entry({"a": 1}, "b", path)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a: 1\nb: 2\na: 3\n", "line 3: the key 'a' is there twice"),
        ("a:\n  b: 1\n  b: 2\n", "line 3: the key 'b' is there twice"),
        ("- {a: 1, a: 1}\n", "line 1: the key 'a' is there twice"),
        ("a: [\n", "not YAML"),
    ],
)
def test_yaml_that_is_refused(text: str, words: str, tmp_path: Path):
    path = tmp_path / "mine.yaml"
    path.write_text(text)
    with refused(path, words):
        read_yaml(path)


def test_yaml_with_merged_keys_and_the_same_key_at_two_places_is_read(tmp_path: Path):
    path = tmp_path / "mine.yaml"
    path.write_text("\ufeffx: &x {a: 1, b: 2}\ny: {<<: *x, a: 3}\n'1': text\n1: number\n")
    expected = {"x": {"a": 1, "b": 2}, "y": {"a": 3, "b": 2}, "1": "text", 1: "number"}
    assert read_yaml(path) == expected


def test_variables_in_paths(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("HOME", "/home/mine")
    monkeypatch.delenv("NOWHERE", raising=False)
    assert expanded("$HOME/x") == expanded("${HOME}/x") == expanded("~/x") == "/home/mine/x"
    assert expanded("a b/c") == "a b/c"
    with refused("'$NOWHERE/x'", "variable NOWHERE is not set"):
        expanded("$NOWHERE/x")


def test_digests_tell_values_apart():
    assert digest({"a": 1, "b": 2}) == digest({"b": 2, "a": 1})
    assert digest({"a": 1}) != digest({"a": 2})


def script_of(folder: Path) -> SimpleNamespace:
    """What Snakemake gives to a script."""
    return SimpleNamespace(output=[str(folder / "out.csv")], log=[folder / "logs" / "one.log"])


def test_a_problem_is_one_line_and_exit_code_1(tmp_path: Path, capsys):
    script = script_of(tmp_path)
    with pytest.raises(SystemExit) as stopped, job(script):
        raise UserError("key: wrong; do this")
    assert stopped.value.code == 1
    assert capsys.readouterr().err == "key: wrong; do this\n"
    assert script.log[0].read_text() == "key: wrong; do this\n"


def test_a_defect_keeps_its_traceback_in_the_log(tmp_path: Path, capsys):
    script = script_of(tmp_path)
    with pytest.raises(SystemExit), job(script):
        raise KeyError("x")
    assert "Traceback" in script.log[0].read_text()
    assert "Traceback" not in capsys.readouterr().err
