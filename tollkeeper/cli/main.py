"""The command `tollkeeper`."""

from __future__ import annotations

import os
import sys

import typer

from tollkeeper.cli import processes, stack
from tollkeeper.cli.context import CommandLine, DirOption, JsonOption
from tollkeeper.cli.lazy_groups import LazyGroups
from tollkeeper.runtime.errors import OperatorError

app = typer.Typer(
    cls=LazyGroups,
    help="Sells an API from inside the gateway: Envoy asks, Redis decides, PostgreSQL records.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    # Errors in one line rather than in a box.
    rich_markup_mode=None,
)

app.command()(stack.up)
app.command()(stack.down)
app.command()(stack.status)
app.command()(stack.doctor)
app.command()(processes.ext_authz)
app.command()(processes.courier)
app.command()(processes.ledger)
app.command()(processes.webhooks)
app.command()(processes.migrate)


@app.callback()
def root(ctx: typer.Context, *, directory: DirOption = None, as_json: JsonOption = False) -> None:
    ctx.obj = CommandLine(directory, as_json)


def main() -> int:
    """The exit status: 0, 1 for what a person can put right, 2 for a wrong command line."""
    try:
        app()
    except OperatorError as error:
        typer.echo(f"error: {error}", err=True)
        return 1
    except Exception as error:
        if os.environ.get("TOLLKEEPER_LOG_LEVEL") == "debug":
            raise
        typer.echo(
            f"error: a fault of Tollkeeper itself, {type(error).__name__}: {error}; "
            "TOLLKEEPER_LOG_LEVEL=debug shows where",
            err=True,
        )
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
