"""What every command learns from the line it was called with, and where the stack is.

`--dir` and `--json` may stand before or after a subcommand. The root callback takes them with the
same two option types and leaves them in the context:

    @app.callback()
    def root(
        ctx: typer.Context, *, directory: DirOption = None, as_json: JsonOption = False
    ) -> None:
        ctx.obj = CommandLine(directory, as_json)

A command takes them too and merges both; what stands nearer to the command wins:

    line = command_line(ctx, directory, as_json=as_json)
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import orjson
import typer
from pydantic import TypeAdapter, ValidationError

from tollkeeper.runtime.errors import OperatorError
from tollkeeper.runtime.settings import Address

DirOption = Annotated[
    Path | None,
    typer.Option(
        "--dir",
        metavar="DIR",
        help="Where the stack lives (TOLLKEEPER_DIR, else .tollkeeper).",
        show_default=False,
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]
TenantArgument = Annotated[str, typer.Argument(help="A tenant's id or its name.")]

_ADDRESS: TypeAdapter[str] = TypeAdapter(Address)


@dataclass(frozen=True)
class CommandLine:
    """`--dir` and `--json` as given; `dir` is None when not given."""

    dir: Path | None = None
    json: bool = False


def command_line(ctx: typer.Context, directory: Path | None, *, as_json: bool) -> CommandLine:
    """The options of the root and of the command, as one.

    Raises OperatorError when an argument is not UTF-8, which no gRPC message can carry.
    """
    for name, value in ctx.params.items():
        if not all(_is_utf8(text) for text in (value if isinstance(value, list) else [value])):
            raise OperatorError(f"{name}: is not valid UTF-8")
    root = ctx.obj if isinstance(ctx.obj, CommandLine) else CommandLine()
    return CommandLine(directory or root.dir, as_json or root.json)


def stack_dir(line: CommandLine) -> Path:
    """The stack's directory: `--dir`, else TOLLKEEPER_DIR, else `.tollkeeper`."""
    return line.dir or Path(os.environ.get("TOLLKEEPER_DIR") or ".tollkeeper")


def ledger_address(line: CommandLine) -> str:
    """`HOST:PORT` of the ledger: TOLLKEEPER_LEDGER_ADDRESS, else what the stack wrote down.

    Raises OperatorError when neither is there, or it is no address.
    """
    named = os.environ.get("TOLLKEEPER_LEDGER_ADDRESS")
    if named:
        return _checked(named, "TOLLKEEPER_LEDGER_ADDRESS")
    file = stack_dir(line) / "endpoints.json"
    return _checked(_read_endpoints(file).get("ledger"), f"{file}, field `ledger`")


def gateway_url(line: CommandLine, ledger: str) -> str | None:
    """Where the calls of this ledger's tenants go, or None when no stack here says so."""
    try:
        endpoints = _read_endpoints(stack_dir(line) / "endpoints.json")
    except OperatorError:
        return None
    gateway = endpoints.get("gateway")
    return gateway if isinstance(gateway, str) and endpoints.get("ledger") == ledger else None


def _is_utf8(value: object) -> bool:
    # Python keeps bytes of the command line that are no UTF-8 as lone surrogates.
    return not isinstance(value, str) or not any("\ud800" <= letter <= "\udfff" for letter in value)


def _read_endpoints(file: Path) -> dict[str, Any]:
    try:
        endpoints = orjson.loads(file.read_bytes())
    except (FileNotFoundError, NotADirectoryError) as error:
        raise OperatorError(
            f"no stack in {file.parent}: start one with `tollkeeper up`, name its directory with "
            "--dir, or set TOLLKEEPER_LEDGER_ADDRESS"
        ) from error
    except OSError as error:
        raise OperatorError(f"{file}: cannot be read: {error.strerror}") from error
    except orjson.JSONDecodeError as error:
        raise OperatorError(
            f"{file}: no valid JSON ({error}): run `tollkeeper up` again"
        ) from error
    if not isinstance(endpoints, dict):
        raise OperatorError(f"{file}: must be a JSON object: run `tollkeeper up` again")
    return endpoints


def _checked(address: object, origin: str) -> str:
    try:
        return _ADDRESS.validate_python(address)
    except ValidationError as error:
        raise OperatorError(f"{origin}: must be HOST:PORT, for example 127.0.0.1:18020") from error
