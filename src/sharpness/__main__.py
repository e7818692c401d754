"""``python -m sharpness``, the command line."""

from sharpness.cli.app import main

main()
