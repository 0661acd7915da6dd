"""A real Envoy in front of the sample API."""

from __future__ import annotations

import asyncio
import re
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tollkeeper.stack.binaries import find_envoy
from tollkeeper.stack.http_probe import answers_ok, request
from tollkeeper.stack.part import Part

if TYPE_CHECKING:
    from pathlib import Path

_DRAIN_SECONDS_MAX = 5.0
_DRAIN_POLL_SECONDS = 0.05
# One thread per core of a small machine, shared with the workers it asks.
_CONCURRENCY = 2
# Entries leave after 200 ms (the gateway's access_log.py); those not sent when Envoy ends are lost,
# and the failed calls among them would be charged.
_ACCESS_LOG_SECONDS = 0.3
_ACTIVE = re.compile(rb"^http\.[^:]+\.downstream_rq_active: (\d+)$", re.MULTILINE)


@dataclass(frozen=True)
class EnvoyServer:
    configuration: Path
    listen: str
    admin: str

    def part(self) -> Part:
        return Part(
            name="envoy",
            address=self.listen,
            command=[
                str(find_envoy().path),
                *("--config-path", str(self.configuration)),
                *("--concurrency", str(_CONCURRENCY)),
                *("--log-level", "warning"),
                # Its shared memory and sockets would outlive a kill -9, and a restart needs none.
                "--disable-hot-restart",
            ],
            answers=self.answers,
            before_stop=self.drain,
        )

    async def answers(self) -> bool:
        return await answers_ok(self.admin, "/ready")

    async def drain(self) -> None:
        """Take no new connections, and return once the calls in flight are answered."""
        await asyncio.to_thread(request, self.admin, "/drain_listeners?graceful", "POST")
        deadline = time.monotonic() + _DRAIN_SECONDS_MAX
        while time.monotonic() < deadline:
            _, stats = await asyncio.to_thread(
                request, self.admin, "/stats?filter=downstream_rq_active"
            )
            if not any(
                int(active)
                for line in stats.splitlines()
                if b".admin." not in line
                for active in _ACTIVE.findall(line)
            ):
                break
            await asyncio.sleep(_DRAIN_POLL_SECONDS)
        await asyncio.sleep(_ACCESS_LOG_SECONDS)
