"""A gate on real Redis, asked without pause, whose answers are remembered with their times."""

from __future__ import annotations

import asyncio
import math
import time
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, NamedTuple

from envoy.service.auth.v3 import external_auth_pb2

from ext_authz.admission import SCRIPT, Admission
from ext_authz.changes import ChangeListener
from ext_authz.gate import Gate
from ext_authz.gate_metrics import GateMetrics
from ext_authz.record_cache import RecordCache
from ext_authz.redis.ending import end
from ext_authz.redis.masters import open_masters
from ext_authz.settings import ExtAuthzSettings
from tests.support.checks import check_request

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from ext_authz.redis.masters import Masters
    from tollkeeper.credential import Credential

_AT_ONCE = 10
_TURN_SECONDS = 0.002


class Outcome(NamedTuple):
    asked_at: float
    code: int
    """0 allowed, another one denied, -1 no verdict."""


class GateAtWork:
    def __init__(self, gate: Gate, records: RecordCache, masters: Masters) -> None:
        self._gate = gate
        self._asking: asyncio.Task[None] | None = None
        self.records = records
        self.masters = masters
        self.outcomes: list[Outcome] = []

    def ask(self, credential: Credential) -> _Exchange:
        request = check_request(("x-api-key", credential.text)).SerializeToString()
        exchange = _Exchange(self.outcomes)
        self._gate.check(request, exchange)
        return exchange

    async def code(self, credential: Credential) -> int:
        exchange = self.ask(credential)
        async with asyncio.timeout(5):
            await exchange.done.wait()
        return exchange.code

    @asynccontextmanager
    async def under_load(self, credential: Credential) -> AsyncIterator[None]:
        task = asyncio.create_task(self._ask(credential))
        try:
            yield
        finally:
            await end(task)

    async def until(self, code: int, seconds: float) -> None:
        """A check asked from now on ended so."""
        begun = time.monotonic()
        async with asyncio.timeout(seconds):
            while not any(o.code == code and o.asked_at >= begun for o in self.outcomes[-50:]):  # noqa: ASYNC110
                await asyncio.sleep(_TURN_SECONDS)

    def allowed_after(self, moment: float) -> int:
        return sum(o.code == 0 and o.asked_at > moment for o in self.outcomes)

    async def until_cached(self, credential: Credential) -> None:
        async with asyncio.timeout(5):
            while self.records.get(credential.text.encode()) is None:
                with suppress(TimeoutError):
                    await self.code(credential)
                await asyncio.sleep(_TURN_SECONDS)

    async def _ask(self, credential: Credential) -> None:
        while True:
            for _ in range(_AT_ONCE):
                self.ask(credential)
            await asyncio.sleep(_TURN_SECONDS)


class _Exchange:
    def __init__(self, outcomes: list[Outcome]) -> None:
        self._outcomes = outcomes
        self._asked_at = time.monotonic()
        self.deadline = math.inf
        self.done = asyncio.Event()
        self.code = -1

    def answer(self, message: bytes) -> None:
        self._end(external_auth_pb2.CheckResponse.FromString(message).status.code)

    def fail(self, status: int, message: str) -> None:  # noqa: ARG002 - as an exchange is told
        self._end(-1)

    def _end(self, code: int) -> None:
        assert not self.done.is_set()
        self.code = code
        self._outcomes.append(Outcome(self._asked_at, code))
        self.done.set()


@asynccontextmanager
async def gate_at_work(url: str) -> AsyncIterator[GateAtWork]:
    async with open_masters(url, timeout_seconds=0.1, wait_seconds=5, scripts=[SCRIPT]) as masters:
        records = RecordCache(masters)
        listening = asyncio.create_task(ChangeListener(masters, records).run())
        now = asyncio.get_running_loop().time
        gate = Gate(records, Admission(masters), GateMetrics(), ExtAuthzSettings(), now)
        try:
            yield GateAtWork(gate, records, masters)
        finally:
            await end(listening)
