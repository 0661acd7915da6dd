"""The load generator: nghttp2's `h2load`, run and read."""

from __future__ import annotations

import asyncio
import re
import shutil
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tollkeeper.runtime.errors import OperatorError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

_INSTALL = (
    "apt-get install nghttp2-client (Debian, Ubuntu), dnf install nghttp2, brew install nghttp2"
)
# What it takes beyond the duration: connecting, and waiting for the last answers.
_EXTRA_SECONDS_MAX = 20.0
_VERSION_SECONDS_MAX = 10
# The first part of a run has connections to open and caches to fill.
_SETTLING_SHARE = 0.2

_FINISHED = re.compile(r"^finished in ([\d.]+)(us|ms|s|m)\b", re.MULTILINE)
_REQUESTS = re.compile(r"^requests: .*?(\d+) done, (\d+) succeeded", re.MULTILINE)
_STATUS_OK = re.compile(r"^status codes: (\d+) 2xx", re.MULTILINE)
_SECONDS = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0}


@dataclass(frozen=True)
class Load:
    """Answers that came, those of them with a 2xx status, and in how many seconds."""

    answered: int
    succeeded: int
    seconds: float


def h2load() -> str:
    """Its path. Raises OperatorError that says how to install it."""
    found = shutil.which("h2load")
    if found is None:
        raise OperatorError(f"h2load is not installed: {_INSTALL}")
    return found


def h2load_version() -> str:
    answer = subprocess.run(  # noqa: S603 - a fixed command
        [h2load(), "--version"],
        capture_output=True,
        text=True,
        timeout=_VERSION_SECONDS_MAX,
        check=True,
    )
    return answer.stdout.strip().rpartition("/")[2]


async def run_h2load(arguments: Sequence[str], seconds: float, log: Path | None = None) -> Load:
    """Load for `seconds`. Raises OperatorError when it fails or nothing is answered."""
    logging = [f"--log-file={log}"] if log else []
    process = await asyncio.create_subprocess_exec(
        h2load(),
        f"--duration={round(1000 * seconds)}ms",
        *logging,
        *arguments,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        output, _ = await asyncio.wait_for(process.communicate(), seconds + _EXTRA_SECONDS_MAX)
    except BaseException:
        process.kill()
        await process.wait()
        raise
    return read_report(output.decode(errors="replace"))


def read_report(report: str) -> Load:
    """Raises OperatorError with the report's last line when it holds no figures."""
    finished, requests = _FINISHED.search(report), _REQUESTS.search(report)
    succeeded = _STATUS_OK.search(report)
    if not finished or not requests or not succeeded or requests[1] == "0":
        last = report.strip().rpartition("\n")[2]
        raise OperatorError(f"h2load got no answer: {last}")
    return Load(int(requests[1]), int(succeeded[1]), float(finished[1]) * _SECONDS[finished[2]])


def read_waits(log: bytes) -> list[int]:
    """Microseconds per answered request from a log of `start, status, microseconds` lines."""
    fields = log.split()
    starts, statuses, waits = fields[0::3], fields[1::3], fields[2::3]
    if not starts:
        return []
    first, last = int(starts[0]), int(starts[-1])
    settled = first + _SETTLING_SHARE * (last - first)
    return [
        int(wait)
        for start, status, wait in zip(starts, statuses, waits, strict=True)
        if int(start) >= settled and status.startswith(b"2")
    ]
