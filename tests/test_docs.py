"""What README and docs say is so: links, files, targets, options, settings, Python that runs."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
import typer
import yaml
from snakemake.cli import get_argument_parser
from snakemake.utils import update_config

from sharpness.cli.app import app
from sharpness.config import validated
from sharpness.report.figures.catalogue import Figure, load_catalogue
from sharpness.studies.findings import load_studies

ROOT = Path(__file__).parents[1]
PAGES = sorted(
    path
    for folder in (".", "config", "docs", "results")
    for path in (ROOT / folder).glob("*.md")
    if path.name != "CHANGELOG.md"
)
FOLDERS = ("benchmarks", "config", "docs", "envs", "profiles", "report", "resources", "rules")
FOLDERS += ("scripts", "src", "tests")


def name_of(page: Path) -> str:
    return str(page.relative_to(ROOT))


each_page = pytest.mark.parametrize("page", PAGES, ids=name_of)


def blocks(page: Path, language: str) -> Iterator[str]:
    """The fenced blocks of a page in a language, without the indentation of lists."""
    found = re.findall(
        rf"^( *)```{language}\n(.*?)^ *```$", page.read_text(), re.MULTILINE | re.DOTALL
    )
    for indent, text in found:
        yield re.sub(f"^{indent}", "", text, flags=re.MULTILINE)


def commands(page: Path) -> Iterator[list[str]]:
    """The words of each command, from blocks and from inline code."""
    written = [*typed(page)]
    written += re.findall(
        r"`((?:make|snakemake|python -m|pytest|sharpness) [^`\n]+)`", page.read_text()
    )
    for line in written:
        words = shlex.split(line, comments=True)
        if words and words[0] in {"make", "snakemake", "python", "pytest", "sharpness"}:
            yield words


def typed(page: Path) -> Iterator[str]:
    """The commands of a page's blocks, in order."""
    lines = [line for text in blocks(page, "console") for line in text.splitlines()]
    yield from (line.removeprefix("$ ") for line in lines if line.startswith("$ "))


def merged(overlay: dict[str, Any]) -> Any:
    config = yaml.safe_load((ROOT / "config.yaml").read_text())
    update_config(config, overlay)
    return config


@pytest.fixture(autouse=True)
def at_the_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)


def test_the_readme_is_short() -> None:
    assert len((ROOT / "README.md").read_text().splitlines()) <= 150


def test_every_page_is_reached_from_the_readme() -> None:
    text = (ROOT / "README.md").read_text()
    pages = [page for page in PAGES if page.parent == ROOT / "docs" and page.stem != "index"]
    assert [page.name for page in pages if f"(docs/{page.name})" not in text] == []


@each_page
def test_what_is_linked_is_there(page: Path) -> None:
    text = re.sub(r"```.*?```", "", page.read_text(), flags=re.DOTALL)
    links = re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", text)
    local = [link for link in links if "://" not in link]
    assert [link for link in local if not (page.parent / link).exists()] == []


@each_page
def test_every_file_that_is_named_is_there(page: Path) -> None:
    named = re.findall(rf"`((?:{'|'.join(FOLDERS)})/[\w./*-]*)`", page.read_text())
    made = {"docs/api", "envs/sharpness.sif"}
    assert [path for path in named if not list(ROOT.glob(path)) and path not in made] == []


@each_page
def test_every_target_of_make_is_there(page: Path) -> None:
    makefile = (ROOT / "Makefile").read_text()
    known = {
        name
        for line in re.findall(r"^([a-z][a-z -]*):(?!=)", makefile, re.MULTILINE)
        for name in line.split()
    }
    variables = set(re.findall(r"\$\((\w+)\)", makefile))
    for words in commands(page):
        if words[0] == "make":
            for word in words[1:]:
                name, is_variable, _ = word.partition("=")
                assert name in (variables if is_variable else known), words


@each_page
def test_every_option_and_target_of_snakemake_is_there(page: Path) -> None:
    settings = validated(merged({}))
    known = {
        "all",
        "tables",
        "figures",
        "fetch",
        *settings.pools,
        *load_catalogue("resources/figures.yaml"),
    }
    for name, study in load_studies("resources/studies.yaml").items():
        known |= {name, *study.figures}
    rules = "".join(path.read_text() for path in Path("rules").glob("*.smk"))
    known |= set(re.findall(r"^rule (\w+):", rules, re.MULTILINE))
    known |= {"mine", "fig50", "NAME"}  # those of the examples
    parser = get_argument_parser()
    for words in commands(page):
        if words[0] == "snakemake" and "..." not in words[-1]:
            given, unknown = parser.parse_known_args(words[1:])
            assert not unknown, words
            targets = {target for target in given.targets or () if "<" not in target}
            assert targets <= known, words
            named = [Path(path) for path in given.configfile or ()]
            assert all(path.exists() or path.name == "mine.yaml" for path in named), words


@each_page
def test_every_module_that_is_run_is_there(page: Path) -> None:
    for words in commands(page):
        if words[:2] == ["python", "-m"]:
            stem = ROOT / "src" / words[2].replace(".", "/")
            assert stem.with_suffix(".py").exists() or (stem / "__main__.py").exists(), words
        if words[0] == "pytest" or (words[0] == "python" and words[1].endswith(".py")):
            assert Path(words[1]).exists(), words


@each_page
def test_every_option_of_sharpness_is_there(page: Path) -> None:
    group = typer.main.get_command(app)
    whole = [shlex.split(line, comments=True) for line in typed(page)]
    for words in commands(page):
        if words[0] == "sharpness":
            command = group.commands[words[1]]  # type: ignore[attr-defined]
            if words in whole:  # not the name of a command within a sentence
                command.make_context(words[1], words[2:])


def with_their_files(folder: Path) -> None:
    """Put into a folder what the configurations of the pages name."""
    for name in ("resources", "config"):
        (folder / name).symlink_to(ROOT / name)
    (folder / "mine").mkdir()
    for table in ("mine.csv", "mine/models.csv"):
        (folder / table).write_text("model,source,checkpoint,lr\na,timm:test_vit,a.pt,0.1\n")
    (folder / "labels.csv").write_text("class,output\n")


@each_page
def test_every_configuration_is_allowed(
    page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    overlays = [*blocks(page, "yaml")]
    if page.name == "tutorial.md":
        overlays.append(Path("docs/tutorial/mine.yaml").read_text())
    with_their_files(tmp_path)
    monkeypatch.chdir(tmp_path)
    for text in overlays:
        content = yaml.safe_load(text)
        if isinstance(content, list):
            for entry in content:
                Figure.model_validate(entry)
        else:
            assert validated(merged(content))


def test_an_example_of_python_runs_on_any_model() -> None:
    model = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.Tanh(), torch.nn.Linear(4, 2))
    batches = [(torch.randn(8, 3), torch.randint(2, (8,))) for _ in range(2)]
    for page in ("README.md", "docs/python.md"):
        names: dict[str, Any] = {"model": model, "batches": batches}
        for text in blocks(ROOT / page, "python"):
            exec(text, names)
        assert names["estimate"].value == names["estimate"].value


@pytest.mark.workflow
def test_the_tutorial_runs_as_it_is_written(tmp_path: Path) -> None:
    for name in ("Snakefile", "rules", "scripts", "profiles", "report", "resources", "docs"):
        (tmp_path / name).symlink_to(ROOT / name)
    (tmp_path / "config.yaml").symlink_to(ROOT / "config.yaml")
    paths = [str(Path(sys.executable).parent), os.environ["PATH"]]
    settings = {"PATH": os.pathsep.join(paths), "PYTHONPATH": str(ROOT / "src")}
    page = ROOT / "docs" / "tutorial.md"
    lines = [line for line in typed(page) if not line.startswith("make install")]
    assert len(lines) >= 5
    for line in lines:
        done = subprocess.run(
            shlex.split(line, comments=True),
            cwd=tmp_path,
            env=os.environ | settings,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"{line}\n{done.stdout}{done.stderr}"
    files = re.findall(r"results/tutorial/[\w./-]+\w", page.read_text())
    assert "results/tutorial/report.html" in files
    assert [name for name in files if not (tmp_path / name).exists()] == []
