"""What is known of a running process, on disk, so that `down` finds it without its supervisor."""

from __future__ import annotations

import signal
import time
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Literal, Self

import psutil

from tollkeeper.runtime.errors import OperatorError
from tollkeeper.stack.directory import read_json, write_private_json

if TYPE_CHECKING:
    from pathlib import Path

State = Literal["starting", "running", "restarting"]

SUPERVISOR = "supervisor"
# The system's idea of when it booted moves a little with clock corrections, and start times with
# it. That a stranger gets the same process id and the same second is out of the question.
_CREATE_TIME_TOLERANCE_SECONDS = 2.0


@dataclass(frozen=True)
class RunRecord:
    name: str
    pid: int
    create_time: float
    address: str
    # Parts are started in rising order, and ended in falling order; the supervisor goes first.
    order: int
    stop_signal: int = signal.SIGTERM
    state: State = "starting"
    restarts: int = 0

    @classmethod
    def of(cls, pid: int, *, name: str, address: str, order: int, stop_signal: int) -> Self:
        try:
            created = psutil.Process(pid).create_time()
        except psutil.NoSuchProcess:
            created = time.time()
        return cls(name, pid, created, address, order, stop_signal)

    def write(self, run: Path) -> None:
        run.mkdir(exist_ok=True)
        write_private_json(run / f"{self.name}.json", asdict(self))

    @property
    def process(self) -> psutil.Process | None:
        """The process, if it still lives and is the one that was recorded."""
        try:
            found = psutil.Process(self.pid)
            same = abs(found.create_time() - self.create_time) < _CREATE_TIME_TOLERANCE_SECONDS
            return found if same and found.status() != psutil.STATUS_ZOMBIE else None
        except psutil.NoSuchProcess:
            return None

    @property
    def uptime_seconds(self) -> float:
        return max(0.0, time.time() - self.create_time)


def read_records(run: Path) -> list[RunRecord]:
    """All records of a directory in starting order, the supervisor's last."""
    found = []
    for path in run.glob("*.json"):
        if (content := read_json(path)) is None:
            continue
        try:
            found.append(RunRecord(**content))
        except TypeError:
            raise OperatorError(f"{path} is not a run record: remove it") from None
    return sorted(found, key=lambda record: (record.order, record.name))
