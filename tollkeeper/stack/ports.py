"""Which part listens on which port, and whether it can."""

from __future__ import annotations

import errno
import socket
from dataclasses import dataclass

import psutil

from tollkeeper.runtime.errors import OperatorError

HOST = "127.0.0.1"
PORT_BASE = 18_000
# Ports base+10 to base+19 are theirs.
WORKERS_MAX = 10
# The highest port is the courier's, base+170.
_SPAN = 170
_PORT_MAX = 65_535
# Below it only root may listen.
_PORT_MIN = 1_024


@dataclass(frozen=True)
class Ports:
    """The ports of a stack, all counted from one base."""

    base: int = PORT_BASE
    workers: int = 1

    def __post_init__(self) -> None:
        if not _PORT_MIN <= self.base <= _PORT_MAX - _SPAN:
            raise OperatorError(
                f"--port-base {self.base}: must be {_PORT_MIN} to {_PORT_MAX - _SPAN}"
            )
        if not 1 <= self.workers <= WORKERS_MAX:
            raise OperatorError(f"--workers {self.workers}: must be 1 to {WORKERS_MAX}")

    @property
    def by_part(self) -> dict[str, list[int]]:
        return {
            "postgres": [self.base + 60],
            "redis": [self.base + 50],
            "ledger": [self.base + 20, self.base + 120],
            "webhooks": [self.base + 30],
            "courier": [self.base + 70, self.base + 170],
            **{
                worker_name(worker): [self.base + 10 + worker, self.base + 110 + worker]
                for worker in range(self.workers)
            },
            "sample_api": [self.base + 40],
            "envoy": [self.base, self.base + 1],
        }

    def address(self, part: str) -> str:
        """Where a part does its work."""
        return f"{HOST}:{self.by_part[part][0]}"

    def probes(self, part: str) -> str:
        """Where a part answers /readyz and /metrics (Envoy: its admin interface)."""
        return f"{HOST}:{self.by_part[part][-1]}"


def worker_name(worker: int) -> str:
    """`ext_authz` for the first, then `ext_authz_1`, `ext_authz_2` and so on."""
    return f"ext_authz_{worker}" if worker else "ext_authz"


def check_free(wanted: dict[str, list[int]]) -> None:
    """Raises OperatorError naming every port in use, the part that wanted it and who holds it."""
    taken = [
        f"port {port}, wanted by {part}, is in use{_holder(port)}"
        for part, ports in wanted.items()
        for port in ports
        if not is_free(port)
    ]
    if taken:
        raise OperatorError("; ".join(taken) + ". Choose other ports with --port-base")


def is_free(port: int) -> bool:
    with socket.socket() as probe:
        # Connections of a stack that just ended may linger; they hold nothing.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise OperatorError(f"port {port}: {error.strerror}") from error
            return False
    return True


def _holder(port: int) -> str:
    """` by NAME (process PID)`, or nothing where the system does not tell."""
    try:
        for connection in psutil.net_connections("tcp"):
            if (
                connection.status == psutil.CONN_LISTEN
                and connection.laddr
                and connection.laddr.port == port
                and connection.pid
            ):
                return f" by {psutil.Process(connection.pid).name()} (process {connection.pid})"
    except psutil.Error:
        return ""
    return ""
