"""Print the JSON schema of a configuration."""

from sharpness.config.schema import schema

print(schema(), end="")
