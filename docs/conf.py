"""The documentation's build: `make docs` writes build/docs/index.html."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path

from sphinx.application import Sphinx

os.environ["SPHINX_APIDOC_OPTIONS"] = "members"  # those that have docstrings
sys.path.insert(0, str(Path(__file__).parents[1] / "src"))

project = "sharpness"
copyright = "The sharpness authors; MIT licence"
extensions = ["myst_parser", "sphinx.ext.apidoc", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
html_theme = "furo"
html_title = "sharpness"
myst_heading_anchors = 3
apidoc_modules = [{"path": "../src/sharpness", "destination": "api", "module_first": True}]
autodoc_default_options = {"ignore-module-all": True}  # each name where it is defined, and once
autodoc_member_order = "bysource"
exclude_patterns = ["api/modules.rst"]
napoleon_use_ivar = True
suppress_warnings = ["ref.python"]  # short names of types, which several modules may have


KEPT = r"(``.*?``|\*\w[^*]*\*)|([|*])"
"""Code and emphasis, which stay as they are, or a bar or star, which must not become markup."""


def escape(
    app: Sphinx, what: str, name: str, thing: object, options: object, lines: list[str]
) -> None:
    """Escape the bars and stars of formulas in docstrings, such as |w|."""
    lines[:] = [re.sub(KEPT, lambda found: found[1] or f"\\{found[2]}", line) for line in lines]


def setup(app: Sphinx) -> None:
    """Escape before napoleon, whose priority is 500, adds markup of its own."""
    app.connect("autodoc-process-docstring", escape, priority=400)
