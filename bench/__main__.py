"""`python -m bench`: measure, show, write."""

from __future__ import annotations

import argparse
import asyncio
import datetime as dt
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import uvloop
from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from bench.machine import machine
from bench.picture import picture
from bench.plan import FULL, QUICK
from bench.process_meter import age_seconds
from bench.report import Report
from bench.session import run_session, subjects_of
from bench.table import tables
from tollkeeper.runtime.errors import OperatorError

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from bench.figures import Measured

# Enough for the widest table, where no terminal says how wide it is.
_WIDTH = 120
# The start, and those of the memory figure.
_OTHER_STEPS = 4
# As shells report it.
_INTERRUPTED = 130
RESULTS = Path(__file__).with_name("results")


def main() -> int:
    parser = argparse.ArgumentParser(prog="bench", description="Measure the gate on this machine.")
    parser.add_argument("--quick", action="store_true", help="at most 45 seconds")
    plan = QUICK if parser.parse_args().quick else FULL
    console = Console()
    if not console.is_terminal:
        console = Console(width=_WIDTH)
    begun = dt.datetime.now(dt.UTC)
    try:
        facts = machine()
        with _progress(console) as progress:
            task = progress.add_task("", total=plan.runs(len(subjects_of(plan))) + _OTHER_STEPS)

            def notice(line: str) -> None:
                progress.update(task, description=line, advance=1)

            measured = uvloop.run(_until_told(run_session(plan, notice)))
    except (KeyboardInterrupt, asyncio.CancelledError):
        return _INTERRUPTED
    except OperatorError as error:
        print(f"error: {error}", file=sys.stderr)  # noqa: T201 - the one line for a person
        return 1
    report = Report(plan, begun, age_seconds(), facts, measured)
    for each in tables(report):
        console.print(each)
    written = report.write(RESULTS)
    drawn = written.with_suffix(".svg")
    drawn.write_text(picture(report))
    console.print(f"{report.seconds:.0f} s; written: {written} and {drawn.name}")
    return 0


async def _until_told(session: Coroutine[Any, Any, Measured]) -> Measured:
    """As Ctrl-C, SIGTERM must leave no server running."""
    task = asyncio.ensure_future(session)
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    return await task


def _progress(console: Console) -> Progress:
    return Progress(
        SpinnerColumn(),
        TimeElapsedColumn(),
        BarColumn(),
        TextColumn("{task.description}"),
        console=console,
        transient=True,
    )


if __name__ == "__main__":
    sys.exit(main())
