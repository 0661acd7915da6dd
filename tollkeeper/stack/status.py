"""How the stack of a directory is, read from its run records."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tollkeeper.stack.run_record import SUPERVISOR, RunRecord, read_records

if TYPE_CHECKING:
    from tollkeeper.stack.directory import StackDirectory

_MINUTE, _HOUR, _DAY = 60, 3_600, 86_400


@dataclass(frozen=True)
class PartStatus:
    record: RunRecord

    @property
    def alive(self) -> bool:
        return self.record.process is not None

    @property
    def state(self) -> str:
        """starting, running or restarting, as the supervisor has it; ended when no process is."""
        return self.record.state if self.alive or self.record.state == "restarting" else "ended"

    def as_json(self) -> dict[str, object]:
        return {
            "name": self.record.name,
            "state": self.state,
            "pid": self.record.pid if self.alive else None,
            "address": self.record.address or None,
            "uptime_seconds": int(self.record.uptime_seconds) if self.alive else None,
            "restarts": self.record.restarts,
        }

    def row(self) -> list[str]:
        return [
            self.record.name,
            self.state,
            str(self.record.pid) if self.alive else "",
            self.record.address,
            _duration(self.record.uptime_seconds) if self.alive else "",
            str(self.record.restarts),
        ]


@dataclass(frozen=True)
class StackStatus:
    directory: StackDirectory
    parts: list[PartStatus]

    @property
    def fault(self) -> str | None:
        """Why the stack does not do its work, and what to do; None when all is well."""
        path = self.directory.path
        supervised = any(part.record.name == SUPERVISOR and part.alive for part in self.parts)
        if not supervised and any(part.alive for part in self.parts):
            return f"the supervisor is gone: clean up with `tollkeeper down --dir {path}`"
        if not supervised:
            return f"no stack runs in {path}: start one with `tollkeeper up --dir {path}`"
        sick = [f"{part.record.name} {part.state}" for part in self.parts if not _runs(part)]
        if sick:
            return f"not running: {', '.join(sick)}; see {self.directory.logs}"
        if not self.directory.endpoints.exists():
            return "the stack is still starting"
        return None

    def as_json(self) -> dict[str, object]:
        return {
            "running": self.fault is None,
            "dir": str(self.directory.path),
            "fault": self.fault,
            "parts": [part.as_json() for part in self.parts],
        }


def read_status(directory: StackDirectory) -> StackStatus:
    return StackStatus(directory, [PartStatus(record) for record in read_records(directory.run)])


def _runs(part: PartStatus) -> bool:
    return part.state == "running"


def _duration(seconds: float) -> str:
    """`4d 3h`, `3h 12m`, `12m 5s` or `5s`."""
    whole = int(seconds)
    if whole < _MINUTE:
        return f"{whole}s"
    if whole < _HOUR:
        return f"{whole // _MINUTE}m {whole % _MINUTE}s"
    if whole < _DAY:
        return f"{whole // _HOUR}h {whole % _HOUR // _MINUTE}m"
    return f"{whole // _DAY}d {whole % _DAY // _HOUR}h"
