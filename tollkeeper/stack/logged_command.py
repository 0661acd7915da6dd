"""A command that runs once, to its end, with its output in a log."""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING

from tollkeeper.runtime.errors import OperatorError
from tollkeeper.stack.part_failed import PartFailed, describe_exit

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path


async def run_logged(
    name: str, command: Sequence[str], log: Path, environment: Mapping[str, str] | None = None
) -> None:
    """Raises PartFailed when the command ends with anything but 0."""
    try:
        with log.open("ab") as file:
            since = file.tell()
            process = await asyncio.create_subprocess_exec(
                *command,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=file,
                stderr=file,
                env={**os.environ, **(environment or {})},
                start_new_session=True,
            )
    except OSError as error:
        raise OperatorError(f"cannot start {command[0]}: {error}") from error
    try:
        status = await process.wait()
    except asyncio.CancelledError:
        process.kill()
        await process.wait()
        raise
    if status != 0:
        raise PartFailed(name, describe_exit(status), log, since)
