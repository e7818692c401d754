"""Print the JSON schema of the configuration as YAML."""

from sharpness.config.schema import schema

print(schema(), end="")
