"""Ports are looked at before anything is started."""

from __future__ import annotations

import os
import socket
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from tests.support.remains import assert_nothing_is_left
from tollkeeper.runtime.errors import OperatorError
from tollkeeper.stack.ports import Ports, check_free

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.support.local_stack import LocalStack


def test_a_port_in_use_is_named_with_its_part_and_holder_and_nothing_is_started(
    own_stack: LocalStack,
) -> None:
    ledger, admin = own_stack.ports.base + 20, own_stack.ports.base + 1
    with _listening(ledger), _listening(admin):
        done = own_stack.try_up()
    assert (done.returncode, done.stdout) == (1, "")
    assert f"port {ledger}, wanted by ledger, is in use by " in done.stderr
    assert f"port {admin}, wanted by envoy, is in use by " in done.stderr
    assert f"(process {os.getpid()})" in done.stderr
    assert "--port-base" in done.stderr
    assert done.stderr.count("\n") == 1
    assert_nothing_is_left(own_stack, [])
    assert not (own_stack.dir / "postgres").exists()


def test_a_stack_in_the_background_names_them_too(own_stack: LocalStack) -> None:
    with _listening(own_stack.ports.base):
        done = own_stack.try_up("--detach")
    assert (done.returncode, done.stdout) == (1, "")
    assert f"port {own_stack.ports.base}, wanted by envoy, is in use by " in done.stderr
    assert_nothing_is_left(own_stack, [])


def test_a_port_that_was_just_given_up_is_free(free_port: int) -> None:
    with _listening(free_port) as server, socket.create_connection(server.getsockname()) as client:
        # Who closes first keeps the connection in TIME_WAIT.
        server.accept()[0].close()
        client.recv(1)
    check_free({"ledger": [free_port]})


@pytest.mark.parametrize(
    ("base", "workers", "fault"),
    [
        (80, 1, "--port-base 80: must be 1024 to 65365"),
        (65_366, 1, "--port-base 65366"),
        (18_000, 0, "--workers 0: must be 1 to 10"),
        (18_000, 11, "--workers 11"),
    ],
)
def test_ports_that_cannot_be_are_refused(base: int, workers: int, fault: str) -> None:
    with pytest.raises(OperatorError, match=fault):
        Ports(base, workers)


def test_ten_workers_share_no_port_with_anybody() -> None:
    every = [port for wanted in Ports(18_000, 10).by_part.values() for port in wanted]
    assert len(every) == len(set(every))


def test_free_ports_are_distinct(free_ports: Callable[[int], list[int]]) -> None:
    assert len(set(free_ports(5))) == 5


@contextmanager
def _listening(port: int) -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", port)) as server:
        yield server
