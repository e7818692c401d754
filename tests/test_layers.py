"""The packages of the library: each imports only those below it; files can be read whole."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "src" / "sharpness"
FILES = sorted(PACKAGE.rglob("*.py"))
LAYERS = (
    ("cli",),
    ("config",),
    ("report", "mini"),
    ("studies",),
    ("evaluation", "plots"),
    ("statistics",),
    ("sources",),
    ("training", "checkpoints"),
    ("measures",),
    ("networks", "data"),
    ("io",),
)
"""From the top to the bottom."""

HEIGHT = {room: -level for level, rooms in enumerate(LAYERS) for room in rooms}


def imported(file: Path) -> Iterator[str]:
    """The packages of ours that a file imports from, wherever in it."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("sharpness."):
            yield str(node.module).split(".")[1]


def test_every_package_has_its_layer() -> None:
    assert {path.name for path in PACKAGE.iterdir() if (path / "__init__.py").exists()} == set(
        HEIGHT
    )
    assert {path.name for path in PACKAGE.glob("*.py")} == {"__init__.py", "__main__.py"}


@pytest.mark.parametrize("room", HEIGHT)
def test_imports_go_down(room: str) -> None:
    found = {
        (file.name, other) for file in (PACKAGE / room).rglob("*.py") for other in imported(file)
    }
    assert [pair for pair in sorted(found) if HEIGHT[pair[1]] > HEIGHT[room]] == []


def test_no_file_is_longer_than_300_lines() -> None:
    lengths = {str(file.relative_to(PACKAGE)): len(file.read_text().splitlines()) for file in FILES}
    assert {name: length for name, length in lengths.items() if length > 300} == {}
