"""The echo program, running."""

from __future__ import annotations

import socket
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Self

import psutil

from tests.support.until import until

_ROOT = Path(__file__).resolve().parents[3]
_SECONDS = 20
_MIB = 1024 * 1024


class EchoProcess:
    """Serves `address` while the block runs."""

    def __init__(self, address: str) -> None:
        self.address = address
        command = ["-m", "tests.integration.wire.echo_program", "--listen", address]
        self._process = subprocess.Popen(
            [sys.executable, *command], cwd=_ROOT, stdout=subprocess.DEVNULL
        )

    def __enter__(self) -> Self:
        until(self._answers, _SECONDS, f"{self.address} answers")
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()

    @property
    def running(self) -> bool:
        return self._process.poll() is None

    @property
    def rss_mib(self) -> float:
        return float(psutil.Process(self._process.pid).memory_info().rss) / _MIB

    @property
    def open_files(self) -> int:
        return int(psutil.Process(self._process.pid).num_fds())

    def stop(self) -> None:
        """Ask it to drain."""
        self._process.terminate()

    def wait(self) -> int:
        """Its exit status."""
        return self._process.wait(_SECONDS)

    def _answers(self) -> bool:
        assert self.running
        host, _, port = self.address.rpartition(":")
        with suppress(OSError), socket.create_connection((host, int(port))):
            return True
        return False
