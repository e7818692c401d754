"""Command line: one model in one command, and what stands around the workflow."""
