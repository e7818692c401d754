"""What is behind a script, read from its imports; and that ours can be read so."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from sharpness.io.source_digest import PACKAGE, reached, source_digest

ROOT = Path(__file__).parents[3]
MODULES = {
    "__init__.py": "from kit.hidden import lazy",
    "hidden.py": "",
    "near.py": "import numpy\nfrom kit.deep import inner",
    "late.py": "",
    "typed.py": "",
    "other.py": "",
    "alone.py": "",
    "deep/__init__.py": "",
    "deep/inner.py": "from kit.near import thing\nfrom kit.deep.leaf import word",
    "deep/leaf.py": "",
    "deep/unused.py": "",
    "deep/page.j2": "",
    "deep/.page.j2.swp": "",
}
SCRIPT = """
from typing import TYPE_CHECKING

from kit.near import thing

if TYPE_CHECKING:
    from kit.typed import Kind
else:
    import kit.other as kind


def work():
    try:
        from kit import late
    except ImportError:
        raise
"""
REACHED = {
    *("__init__.py", "hidden.py", "near.py", "other.py", "late.py"),
    *("deep/__init__.py", "deep/inner.py", "deep/leaf.py", "deep/page.j2"),
}


@pytest.fixture
def kit(tmp_path: Path) -> Path:
    """A small package, and a script beside it."""
    for name, text in MODULES.items():
        path = tmp_path / "kit" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    (tmp_path / "script.py").write_text(SCRIPT)
    return tmp_path / "kit"


def test_imports_are_followed_wherever_they_stand(kit: Path) -> None:
    found = {str(path.relative_to(kit)) for path in reached(kit.parent / "script.py", kit)}
    assert found == REACHED


def test_a_digest_changes_with_the_script_and_with_what_it_reaches_alone(kit: Path) -> None:
    script = kit.parent / "script.py"
    seen = {source_digest(script, kit)}
    for name in sorted(REACHED - {"__init__.py"}):
        (kit / name).write_text((kit / name).read_text() + "\n")
        seen.add(source_digest(script, kit))
    script.write_text(SCRIPT + "\n")
    seen.add(source_digest(script, kit))
    assert len(seen) == len(REACHED) + 1
    for name in MODULES.keys() - REACHED:
        (kit / name).write_text("changed = True\n")
    assert source_digest(script, kit) in seen


@pytest.mark.parametrize("folder", [PACKAGE, ROOT / "scripts"], ids=lambda path: path.name)
def test_every_import_of_ours_can_be_read(folder: Path) -> None:
    modules = {path.stem if path.suffix else path.name for path in PACKAGE.iterdir()}
    for path in folder.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom):
                names = {alias.name for alias in node.names}
                assert node.level == 0, f"{path}: a relative import"
                assert node.module != "sharpness" or names <= modules, f"{path}: no module's name"
                computed = names & {"import_module"} and path != PACKAGE / "__init__.py"
                assert not computed, f"{path}: a computed import"
