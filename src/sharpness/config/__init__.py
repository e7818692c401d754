"""What a configuration may say: typed, closed to unknown keys, checked before anything runs.

``config.yaml`` is the default at scale "mini", ``config/paper.yaml`` an overlay with the paper's
own sizes, ``config/schema.yaml`` the JSON schema of these classes for editors
(``python -m sharpness.config > config/schema.yaml``).
"""

from sharpness.config.schema import Config, schema, validated

__all__ = ["Config", "schema", "validated"]
