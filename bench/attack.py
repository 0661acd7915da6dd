"""`make attack`: does honest traffic feel what a hostile peer does to our transport?

An honest client asks, on a connection of its own, before and during each attack. The ratio of the
two is what counts: absolute times are the machine's.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import resource
import socket
import subprocess
import sys
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Self

import psutil
from rich.console import Console
from rich.table import Table

from bench.addresses import free_addresses
from bench.assailant import Assailant, Damage
from bench.attacks import Attack, attacks, greeting, request_block
from bench.check_request import METHOD, check_request, grpc_message
from bench.cores import our_cores
from bench.latency import percentile
from bench.process_meter import memory_mib
from ext_authz.wire import answers, frames
from tollkeeper.runtime.errors import OperatorError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from multiprocessing.connection import Connection

RATIO_MAX = 5.0
# On top of the server at rest: what its limits allow one attacker with a few connections.
GROWTH_MIB_MAX = 150.0
_QUIET_SECONDS, _ATTACK_SECONDS = 1.0, 2.0
# As often as a thousandth of what the server can answer: it is never busy with honest calls.
_PAUSE_SECONDS = 0.001
_START_SECONDS_MAX = 10.0
_ANSWER_SECONDS_MAX = 10.0
_SPARE_FILES = 200
# The last frame of an answer that is well.
_TRAILERS = answers.TRAILERS_START


@dataclass(frozen=True)
class Finding:
    attack: str
    quiet_p99: float
    attacked_p99: float
    """Microseconds."""
    growth_mib: float
    damage: Damage

    @property
    def ratio(self) -> float:
        return self.attacked_p99 / self.quiet_p99

    @property
    def is_good(self) -> bool:
        return self.ratio <= RATIO_MAX and self.growth_mib <= GROWTH_MIB_MAX


def main() -> int:
    parser = argparse.ArgumentParser(prog="bench.attack", description=__doc__)
    parser.add_argument("--only", default="", help="attacks whose name has this in it")
    only = parser.parse_args().only
    files = _raise_file_limit()
    message = check_request("tk_test_none").SerializeToString()
    findings = []
    for attack in attacks(METHOD, message):
        if only in attack.name:
            fitting = replace(attack, connections=min(attack.connections, files - _SPARE_FILES))
            findings.append(_examine(fitting))
    Console(width=120).print(_table(findings))
    return 0 if all(finding.is_good for finding in findings) else 1


def _examine(attack: Attack) -> Finding:
    with _server() as (address, process), _HonestClient(address) as client:
        client.waits(_QUIET_SECONDS / 2)
        quiet = client.waits(_QUIET_SECONDS)
        at_rest = memory_mib(process)
        with _assailant(address, attack) as theirs:
            attacked = client.waits(_ATTACK_SECONDS)
            growth = memory_mib(process) - at_rest
            theirs.send("enough")
            damage = theirs.recv()
    return Finding(
        attack.name, percentile(sorted(quiet), 99), percentile(sorted(attacked), 99), growth, damage
    )


class _HonestClient:
    """One call at a time, each as long as the server needs for it."""

    def __init__(self, address: str) -> None:
        self._address = address
        self._stream_id = 1
        message = grpc_message(check_request("tk_test_none"))
        block = request_block(METHOD)
        self._request = (block, message)

    def __enter__(self) -> Self:
        host, _, port = self._address.rpartition(":")
        self._socket = socket.create_connection((host, int(port)), timeout=_ANSWER_SECONDS_MAX)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket.sendall(greeting() + frames.window_update(0, 2**30))
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def waits(self, seconds: float) -> list[int]:
        """Microseconds of each call made meanwhile."""
        waits = []
        until = time.perf_counter() + seconds
        while time.perf_counter() < until:
            begun = time.perf_counter_ns()
            self._call()
            waits.append((time.perf_counter_ns() - begun) // 1_000)
            time.sleep(_PAUSE_SECONDS)
        return waits

    def _call(self) -> None:
        block, message = self._request
        stream_id, self._stream_id = self._stream_id, self._stream_id + 2
        self._socket.sendall(
            frames.frame(frames.HEADERS, frames.END_HEADERS, stream_id, block)
            + frames.frame(frames.DATA, frames.END_STREAM, stream_id, message)
        )
        end = _TRAILERS + stream_id.to_bytes(4, "big")
        received = b""
        while end not in received:
            data = self._socket.recv(65_536)
            if not data:
                raise OperatorError("the server has hung up on an honest client")
            received += data


@contextmanager
def _server() -> Iterator[tuple[str, psutil.Process]]:
    """Our transport without a gate: what is measured is how it shares its time."""
    address = next(free_addresses())
    command = [sys.executable, "-m", "bench.wire_noop_server", "--listen", address]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as server:  # noqa: S603 - ours
        try:
            process = psutil.Process(server.pid)
            process.cpu_affinity(our_cores()[:1])
            _await_answer(address, server)
            yield address, process
            if server.poll() is not None:
                raise OperatorError("the server did not survive the attack")
        finally:
            server.kill()


def _await_answer(address: str, server: subprocess.Popen[bytes]) -> None:
    host, _, port = address.rpartition(":")
    until = time.monotonic() + _START_SECONDS_MAX
    while time.monotonic() < until and server.poll() is None:
        with suppress(OSError), socket.create_connection((host, int(port))):
            return
        time.sleep(_PAUSE_SECONDS)
    raise OperatorError("the server did not start")


@contextmanager
def _assailant(address: str, attack: Attack) -> Iterator[Connection[Any, Any]]:
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.Process(target=_strike, args=(address, attack, theirs), daemon=True)
    process.start()
    theirs.close()
    try:
        ours.recv()
        yield ours
    finally:
        process.kill()
        process.join()


def _strike(address: str, attack: Attack, pipe: Connection[Any, Any]) -> None:
    # The honest client shares this core; its waits shall be the server's doing.
    os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
    psutil.Process().cpu_affinity(our_cores()[1:] or our_cores())
    assailant = Assailant(address, attack)
    assailant.take_position()
    pipe.send("in position")
    assailant.strike(pipe.poll)
    pipe.send(assailant.damage)


def _raise_file_limit() -> int:
    """How many files each of our programs may open now."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard


def _table(findings: list[Finding]) -> Table:
    table = Table("attack", "p99 before", "during", "ratio", "growth", "connections", "sent")
    for finding in findings:
        table.add_row(
            finding.attack,
            f"{finding.quiet_p99:.0f} µs",
            f"{finding.attacked_p99:.0f} µs",
            f"{finding.ratio:.1f}",
            f"{finding.growth_mib:.0f} MiB",
            f"{finding.damage.connections}",
            f"{finding.damage.sent_bytes / 2**20:.1f} MiB",
            style="" if finding.is_good else "bold red",
        )
    return table


if __name__ == "__main__":
    try:
        sys.exit(main())
    except OperatorError as error:
        sys.exit(f"error: {error}")
