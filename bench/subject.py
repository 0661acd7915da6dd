"""A server to measure, and how it is started: one row of the tables."""

from __future__ import annotations

import asyncio
import sys
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from tollkeeper.runtime.settings import split_address
from tollkeeper.stack.http_probe import answers_ok
from tollkeeper.stack.part import Part

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True)
class Place:
    """Where a subject listens, and what it may use."""

    listen: str
    probes: str
    redis_url: str


@dataclass(frozen=True)
class Subject:
    name: str
    title: str
    asks_redis: bool
    part: Callable[[str, Place], Part]
    """From a name for the process, and its place."""
    # No figure needs it.
    long_run_only: bool = False


def _noop(script: str, name: str, place: Place) -> Part:
    return Part(
        name=name,
        address=place.listen,
        # -P: the script's own folder must not hide installed packages.
        command=[
            *(sys.executable, "-P", str(Path(__file__).with_name(script))),
            *("--listen", place.listen),
        ],
        answers=partial(_accepts, place.listen),
    )


def _gate(name: str, place: Place, **environment: str) -> Part:
    return Part(
        name=name,
        address=place.listen,
        command=[sys.executable, "-P", "-m", "tollkeeper", "ext-authz"],
        answers=partial(answers_ok, place.probes, "/readyz"),
        environment={
            "TOLLKEEPER_EXT_AUTHZ_LISTEN": place.listen,
            "TOLLKEEPER_EXT_AUTHZ_METRICS_LISTEN": place.probes,
            "TOLLKEEPER_REDIS_URL": place.redis_url,
            # Nobody watches its health while it stops.
            "TOLLKEEPER_DRAIN_NOTICE_SECONDS": "0",
            **environment,
        },
    )


async def _accepts(address: str) -> bool:
    try:
        _, writer = await asyncio.open_connection(*split_address(address))
    except OSError:
        return False
    writer.close()
    return True


YARDSTICK = Subject("grpc_aio_noop", "grpc.aio, no-op", False, partial(_noop, "noop_server.py"))
WIRE_NOOP = Subject("wire_noop", "wire, no-op", False, partial(_noop, "wire_noop_server.py"))
WIRE_FULL = Subject("wire_full", "wire, full check", True, _gate)
GRPCIO_FULL = Subject(
    "grpcio_full",
    "grpcio, full check",
    True,
    partial(_gate, TOLLKEEPER_TRANSPORT="grpcio"),
    long_run_only=True,
)

SUBJECTS = (YARDSTICK, WIRE_NOOP, WIRE_FULL, GRPCIO_FULL)
# The gate as it ships, whose cost the figures are about.
SHIPPED = WIRE_FULL
