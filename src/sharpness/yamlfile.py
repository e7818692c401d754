"""A YAML file that a person may have damaged."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from sharpness.problem import Problem


def read_yaml(path: str | Path) -> Any:
    """What a file holds.

    Raises:
        Problem: if it cannot be read, or is no YAML.
    """
    try:
        return yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise Problem(f"{path}: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise Problem(f"{path}: is no UTF-8 text ({error.reason}, byte {error.start})") from error
    except (yaml.YAMLError, RecursionError) as error:
        raise Problem(f"{path}: not YAML: {' '.join(str(error).split())}") from error
    except (ValueError, TypeError, AttributeError) as error:  # a date, a number that cannot be
        raise Problem(f"{path}: not YAML: {' '.join(str(error).split())}") from error
