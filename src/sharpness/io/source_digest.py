"""Hash of the code of a script: its own text and all modules of the package that it imports.

Cheap steps have it among their parameters, so that an edit reruns them. Imports are read from the
syntax tree, including those inside functions; nothing is run.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

from sharpness.io.files import digest, sha256

PACKAGE = Path(__file__).parents[1]


def source_digest(script: str | Path, package: Path = PACKAGE) -> str:
    """Return a hash of a script and of all files of the ``package`` that it uses."""
    files = {str(file.relative_to(package)): sha256(file) for file in reached(script, package)}
    return digest({"script": sha256(script), **files})


def reached(script: str | Path, package: Path = PACKAGE) -> set[Path]:
    """Return the package files behind a script: modules, and data files beside them."""
    found: set[Path] = set()
    waiting = [Path(script)]
    while waiting:
        new = _imported(waiting.pop(), package) - found
        found |= new
        waiting += [file for file in new if file.suffix == ".py"]
    return found


@cache
def _imported(file: Path, package: Path) -> frozenset[Path]:
    """Return the package files that one file imports directly, and those of parent packages."""
    names = _names(ast.parse(file.read_text(encoding="utf-8")))
    return frozenset(path for name in names for path in _files(name, package))


def _names(node: ast.AST) -> Iterator[str]:
    """Yield dotted names below a node that may be modules, except type-checking imports."""
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        yield from (f"{node.module}.{alias.name}" for alias in node.names)
    elif not isinstance(node, ast.expr):
        inside: Iterable[ast.AST] = ast.iter_child_nodes(node)
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            inside = node.orelse
        for child in inside:
            yield from _names(child)


def _files(name: str, package: Path) -> Iterator[Path]:
    """Yield the files of a dotted name: parent packages with their data, and the module."""
    place, parts = package.parent, name.split(".")
    for part in parts if parts[0] == package.name else ():
        place /= part
        module = place.with_suffix(".py")
        yield from (module,) if module.is_file() else _beside(place)


@cache
def _beside(folder: Path) -> tuple[Path, ...]:
    """Return the ``__init__`` of a package and the files beside it that are not modules."""
    files = (file for file in folder.glob("[!.]*") if file.is_file())
    return tuple(file for file in files if file.suffix != ".py" or file.stem == "__init__")
