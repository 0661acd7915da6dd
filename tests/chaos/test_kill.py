"""Every process is killed with -9 in the middle of traffic; the bill is exact all the same."""

from __future__ import annotations

import os
import signal
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Self

import pytest

from tests.support.http import Caller
from tests.support.processes import process_id
from tests.support.tenants import charges_left, new_key, new_tenant, used
from tests.support.until import until

if TYPE_CHECKING:
    from tests.support.local_stack import LocalStack

CALLS = 1_000
KEYS = 3


class Traffic:
    """Three callers that make as many calls as they are let, all at once."""

    def __init__(self, gateway: str, keys: list[str]) -> None:
        self._gateway = gateway
        self._permits = threading.Semaphore(0)
        self._lock = threading.Lock()
        self._pool = ThreadPoolExecutor(len(keys))
        self.released = 0
        self.statuses: Counter[int] = Counter()
        self._closed = threading.Event()
        self._callers = [self._pool.submit(self._call, key) for key in keys]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._closed.set()
        self._pool.shutdown()
        for caller in self._callers:
            caller.result()

    @property
    def answered(self) -> int:
        return self.statuses.total()

    def release(self, calls: int) -> None:
        """Let `calls` more calls go."""
        self.released += calls
        self._permits.release(calls)

    def wait(self, calls: int) -> None:
        """Until at most `calls` of those let go have no answer."""
        until(lambda: self.answered >= self.released - calls, 60, f"all but {calls} answers")

    def _call(self, key: str) -> None:
        with Caller(self._gateway, key) as caller:
            while not self._closed.is_set():
                if self._permits.acquire(timeout=0.1):
                    status = caller.get().status
                    with self._lock:
                        self.statuses[status] += 1


@pytest.mark.timeout(180)
def test_usage_equals_the_served_calls_through_every_kill(stack: LocalStack) -> None:
    tenant = new_tenant(stack, "enterprise")
    keys = [new_key(stack, tenant).secret for _ in range(KEYS)]
    with Traffic(stack.endpoints["gateway"], keys) as traffic:
        for part in ("courier", "ledger"):
            traffic.release(200)
            traffic.wait(50)
            before = _kill(stack, part)
            traffic.release(100)
            _until_back(stack, part, before)
        traffic.wait(0)
        assert set(traffic.statuses) == {200}

        traffic.release(200)
        traffic.wait(50)
        before = _kill(stack, "ext_authz")
        traffic.release(100)
        until(lambda: traffic.statuses[503], 10, "Envoy answers 503 while the gate is away")
        _until_back(stack, "ext_authz", before)
        traffic.wait(0)
        served = traffic.statuses[200]
        traffic.release(CALLS - traffic.released)
        traffic.wait(0)

    assert traffic.answered == CALLS
    assert set(traffic.statuses) == {200, 503}
    assert traffic.statuses[200] > served
    until(lambda: charges_left(stack) == 0, 30, "all charges carried")
    assert used(stack, tenant) == traffic.statuses[200]


def _kill(stack: LocalStack, part: str) -> int:
    """Kill -9; returns the process id."""
    pid = process_id(stack, part)
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    return pid


def _until_back(stack: LocalStack, part: str, before: int) -> None:
    until(lambda: process_id(stack, part) not in {before, None}, 30, f"{part} is back")
