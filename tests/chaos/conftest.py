from __future__ import annotations

import reduced  # noqa: F401  (puts the workflow's tests on the path)
