"""A name for the code behind a script: its own text and every module of ours that it reaches.

Cheap steps have it among their parameters, so that an edit remakes what they made. What a script
reaches is read from its imports, those inside functions too; nothing is run.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

from sharpness.io.files import digest, sha256

PACKAGE = Path(__file__).parents[1]


def source_digest(script: str | Path, package: Path = PACKAGE) -> str:
    """A name for a script and all that it reaches; other code, other name.

    Args:
        script: the file of a rule.
        package: folder of the package whose modules are followed.
    """
    files = {str(file.relative_to(package)): sha256(file) for file in reached(script, package)}
    return digest({"script": sha256(script), **files})


def reached(script: str | Path, package: Path = PACKAGE) -> set[Path]:
    """The package's files behind a script: modules, and the data beside them in a subpackage."""
    found: set[Path] = set()
    waiting = [Path(script)]
    while waiting:
        new = _imported(waiting.pop(), package) - found
        found |= new
        waiting += [file for file in new if file.suffix == ".py"]
    return found


@cache
def _imported(file: Path, package: Path) -> frozenset[Path]:
    """The package's files that a file imports by itself, with what Python imports on the way."""
    names = _names(ast.parse(file.read_text(encoding="utf-8")))
    return frozenset(path for name in names for path in _files(name, package))


def _names(node: ast.AST) -> Iterator[str]:
    """Dotted names that may be modules, below a node; imports for the type checker are none."""
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
    """The files of a dotted name: each package on its way, with its data, and the module."""
    place, parts = package.parent, name.split(".")
    for part in parts if parts[0] == package.name else ():
        place /= part
        module = place.with_suffix(".py")
        yield from (module,) if module.is_file() else _beside(place)


@cache
def _beside(folder: Path) -> tuple[Path, ...]:
    """The ``__init__`` of a package and the files in its folder that are no modules."""
    files = (file for file in folder.glob("[!.]*") if file.is_file())
    return tuple(file for file in files if file.suffix != ".py" or file.stem == "__init__")
