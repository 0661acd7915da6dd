"""`tollkeeper ext-authz --workers N` as a process, and what can be seen of it from outside."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass, field
from http.client import HTTPConnection
from typing import TYPE_CHECKING

import psutil
from prometheus_client.parser import text_string_to_metric_families

from tests.support.until import until

if TYPE_CHECKING:
    import signal
    from collections.abc import Mapping
    from pathlib import Path

_START_SECONDS_MAX = 30


@dataclass
class ParentProcess:
    """Its folders for temporary files and logs are below `folder`."""

    folder: Path
    metrics_address: str
    environment: Mapping[str, str]
    workers: int = 2
    _process: subprocess.Popen[bytes] | None = field(default=None, init=False)

    def start(self) -> None:
        """Not waited for."""
        self.temporary.mkdir()
        ours = {name: value for name, value in os.environ.items() if "TOLLKEEPER" not in name}
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(
                [
                    *(sys.executable, "-P", "-m", "tollkeeper"),
                    *("ext-authz", "--workers", str(self.workers)),
                ],
                env={
                    **ours,
                    "TMPDIR": str(self.temporary),
                    "TOLLKEEPER_LOG_FORMAT": "json",
                    "TOLLKEEPER_EXT_AUTHZ_METRICS_LISTEN": self.metrics_address,
                    "TOLLKEEPER_DRAIN_NOTICE_SECONDS": "0.1",
                    **self.environment,
                },
                stderr=log,
            )

    @property
    def process(self) -> subprocess.Popen[bytes]:
        assert self._process is not None
        return self._process

    @property
    def log(self) -> Path:
        return self.folder / "log"

    @property
    def temporary(self) -> Path:
        return self.folder / "t"

    def until_ready(self) -> None:
        until(self._ready_or_ended, _START_SECONDS_MAX, "all workers are ready")
        assert self.process.poll() is None, self.log.read_text()

    def unready(self) -> dict[str, str] | None:
        """The reasons of `/readyz`; None while nobody answers there."""
        try:
            reasons: dict[str, str] = json.loads(self._get("/readyz"))["reasons"]
        except OSError:
            return None
        return reasons

    def metric(self, name: str, **labels: str) -> float:
        return sum(
            sample.value
            for family in text_string_to_metric_families(self._get("/metrics"))
            for sample in family.samples
            if sample.name == name and labels.items() <= sample.labels.items()
        )

    def pids(self) -> dict[int, int]:
        """Of the workers, by their numbers."""
        found = {}
        for child in psutil.Process(self.process.pid).children():
            try:
                found[int(child.environ()["TOLLKEEPER_WORKER"])] = child.pid
            except (psutil.Error, KeyError):
                continue
        return found

    def everybody(self) -> list[psutil.Process]:
        parent = psutil.Process(self.process.pid)
        return [parent, *parent.children()]

    def signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def end(self) -> None:
        """Whatever the test left."""
        if self._process is not None and self._process.poll() is None:
            left = self.everybody()
            self._process.terminate()
            psutil.wait_procs(left, timeout=20)
            for process in left:
                if process.is_running():
                    process.kill()
            self._process.wait()

    def _ready_or_ended(self) -> bool:
        return self.process.poll() is not None or self.unready() == {}

    def _get(self, path: str) -> str:
        connection = HTTPConnection(self.metrics_address, timeout=10)
        try:
            connection.request("GET", path)
            return connection.getresponse().read().decode()
        finally:
            connection.close()
