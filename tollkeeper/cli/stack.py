"""`tollkeeper up`, `down`, `status`, `doctor`: everything on this machine."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from tollkeeper.cli.context import DirOption, JsonOption, command_line, stack_dir

if TYPE_CHECKING:
    from tollkeeper.stack.progress import Progress

_PORT_BASE = 18_000

PortBase = Annotated[
    int, typer.Option("--port-base", help="The gateway's port; the others are counted from it.")
]


def up(
    ctx: typer.Context,
    *,
    port_base: PortBase = _PORT_BASE,
    detach: Annotated[bool, typer.Option("--detach", help="Return once all is ready.")] = False,
    workers: Annotated[int, typer.Option(help="ext_authz processes, 1 to 10.")] = 1,
    redis_url: Annotated[
        str | None, typer.Option(help="Your Redis, instead of one started here.")
    ] = None,
    postgres_url: Annotated[
        str | None, typer.Option(help="Your PostgreSQL, instead of one started here.")
    ] = None,
    directory: DirOption = None,
    as_json: JsonOption = False,
) -> None:
    """Start everything on this machine and print curl lines to try."""
    from tollkeeper.cli.output import print_json  # noqa: PLC0415
    from tollkeeper.stack.background import start_in_background  # noqa: PLC0415
    from tollkeeper.stack.options import UpOptions  # noqa: PLC0415
    from tollkeeper.stack.running import run_stack  # noqa: PLC0415
    from tollkeeper.stack.try_it import try_it  # noqa: PLC0415

    line = command_line(ctx, directory, as_json=as_json)
    options = UpOptions(
        path=stack_dir(line).absolute(),
        port_base=port_base,
        workers=workers,
        redis_url=redis_url,
        postgres_url=postgres_url,
    )
    progress = _progress(as_json=line.json)

    def show(endpoints: dict[str, object]) -> None:
        if line.json:
            print_json(endpoints)
        else:
            typer.echo(try_it(endpoints, stack_dir(line), foreground=not detach))

    if detach:
        show(start_in_background(options, progress))
    else:
        run_stack(options, progress, show)


def down(ctx: typer.Context, *, directory: DirOption = None, as_json: JsonOption = False) -> None:
    """End everything that `up` started; data and logs stay."""
    from tollkeeper.cli.output import print_json  # noqa: PLC0415
    from tollkeeper.stack.directory import StackDirectory  # noqa: PLC0415
    from tollkeeper.stack.takedown import end_stack  # noqa: PLC0415

    line = command_line(ctx, directory, as_json=as_json)
    progress = _progress(as_json=line.json)
    path = stack_dir(line).absolute()
    ended = end_stack(StackDirectory(path), progress)
    if line.json:
        print_json({"ended": ended})
    elif not ended:
        typer.echo(f"nothing runs in {path}")


def status(ctx: typer.Context, *, directory: DirOption = None, as_json: JsonOption = False) -> None:
    """Show each part of the stack; exit with 1 unless all of them run."""
    from tollkeeper.cli.output import print_json, print_people, table  # noqa: PLC0415
    from tollkeeper.stack.directory import StackDirectory  # noqa: PLC0415
    from tollkeeper.stack.status import read_status  # noqa: PLC0415

    line = command_line(ctx, directory, as_json=as_json)
    found = read_status(StackDirectory(stack_dir(line).absolute()))
    if line.json:
        print_json(found.as_json())
    elif found.parts:
        rows = [part.row() for part in found.parts]
        print_people(table(["part", "state", ">process", "address", ">up", ">restarts"], rows))
    if found.fault:
        typer.echo(f"error: {found.fault}", err=True)
        raise typer.Exit(1)


def doctor(
    ctx: typer.Context,
    *,
    port_base: PortBase = _PORT_BASE,
    directory: DirOption = None,
    as_json: JsonOption = False,
) -> None:
    """Look for what could keep the stack from running, and say what to do about it."""
    from tollkeeper.cli.output import print_json  # noqa: PLC0415
    from tollkeeper.stack.directory import StackDirectory  # noqa: PLC0415
    from tollkeeper.stack.doctor import examine  # noqa: PLC0415

    line = command_line(ctx, directory, as_json=as_json)
    findings = examine(StackDirectory(stack_dir(line).absolute()), port_base)
    sick = any(finding.level == "fault" for finding in findings)
    if line.json:
        print_json({"ok": not sick, "checks": [finding.as_json() for finding in findings]})
    else:
        for finding in findings:
            typer.echo(finding.line())
    if sick:
        raise typer.Exit(1)


def _progress(*, as_json: bool) -> Progress:
    """Beside a JSON document it goes to standard error; without a terminal it is plain lines."""
    from tollkeeper.stack.plain_progress import PlainProgress  # noqa: PLC0415
    from tollkeeper.stack.terminal_progress import TerminalProgress  # noqa: PLC0415

    stream = sys.stderr if as_json else sys.stdout
    return TerminalProgress(stream) if stream.isatty() else PlainProgress(stream)
