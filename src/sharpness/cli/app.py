"""``sharpness``: measure a model, list what there is, check, price and run, correlate."""

from __future__ import annotations

import sys

import typer

from sharpness.cli.budget import budget
from sharpness.cli.configuration import check, run
from sharpness.cli.correlate import correlate
from sharpness.cli.listing import list_things
from sharpness.cli.measure import measure
from sharpness.io.errors import UserError, user_message

app = typer.Typer(
    name="sharpness",
    help="Does sharpness predict generalization for these models?",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,  # names have square brackets
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command()(measure)
app.command("list")(list_things)
app.command()(check)
app.command()(budget)
app.command()(correlate)
app.command()(run)


def main() -> None:
    """Run the command line; a wrong input ends in one line and exit code 1."""
    try:
        app()
    except UserError as problem:
        sys.exit(f"sharpness: {problem}")
    except BrokenPipeError:
        sys.exit(1)
    except OSError as error:
        sys.exit(f"sharpness: {user_message(error, 'a file') or error}")
