"""`tollkeeper up --detach`: the supervisor in a session of its own, followed until it is ready."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import IO, TYPE_CHECKING, Any

import orjson

from tollkeeper.runtime.errors import OperatorError
from tollkeeper.stack.options import UpOptions
from tollkeeper.stack.part_failed import PartFailed
from tollkeeper.stack.pipe_progress import PipeProgress
from tollkeeper.stack.run_record import SUPERVISOR
from tollkeeper.stack.running import run_stack

if TYPE_CHECKING:
    from tollkeeper.stack.progress import Progress


def start_in_background(options: UpOptions, progress: Progress) -> dict[str, object]:
    """Return the endpoints once the stack is up.

    Raises OperatorError, with everything ended, when it does not come up.
    """
    directory = options.directory
    directory.create()
    reading, writing = os.pipe()
    with os.fdopen(reading, "rb") as events, directory.log(SUPERVISOR).open("ab") as log:
        since = log.tell()
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "tollkeeper.stack.background", str(writing)],
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=log,
            pass_fds=[writing],
            start_new_session=True,
        )
        os.close(writing)
        try:
            _tell(process, options)
            endpoints = _follow(events, progress)
        except BaseException:
            process.terminate()
            process.wait()
            raise
    if endpoints is None:
        how = f"ended with status {process.wait()} while starting"
        raise PartFailed(SUPERVISOR, how, directory.log(SUPERVISOR), since)
    return endpoints


def _tell(process: subprocess.Popen[bytes], options: UpOptions) -> None:
    """Not on the command line, which everybody can read: the URLs hold passwords."""
    if process.stdin is not None:
        process.stdin.write(options.model_dump_json().encode())
        process.stdin.close()


def _follow(events: IO[bytes], progress: Progress) -> dict[str, object] | None:
    for line in events:
        event: dict[str, Any] = orjson.loads(line)
        match event.pop("event"):
            case "ready":
                return dict(event["endpoints"])
            case "error":
                raise OperatorError(event["text"])
            case name:
                getattr(progress, name)(**event)
    return None


def main() -> int:
    options = UpOptions.model_validate_json(sys.stdin.buffer.read())
    pipe = PipeProgress(int(sys.argv[1]))
    try:
        run_stack(options, pipe, lambda endpoints: pipe.send("ready", endpoints=endpoints))
    except OperatorError as error:
        pipe.send("error", text=str(error))
        print(f"error: {error}", file=sys.stderr)  # noqa: T201 - into the supervisor's log
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
