"""Typed configuration: unknown keys are errors, and everything is checked before a job runs.

``config.yaml`` holds the defaults at scale "mini"; ``config/paper.yaml`` is an overlay with the
paper's sizes. ``config/schema.yaml`` is the JSON schema of these classes, for editors; regenerate
it with ``python -m sharpness.config > config/schema.yaml``.
"""

from sharpness.config.schema import Config, schema, validated

__all__ = ["Config", "schema", "validated"]
