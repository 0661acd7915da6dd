"""Listens, watches over its connections, and drains them."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING

import structlog

from ext_authz.wire.connection import Connection
from ext_authz.wire.health import Health
from tollkeeper.runtime.errors import OperatorError
from tollkeeper.runtime.settings import split_address

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncIterator, Callable, Sequence

    from ext_authz.wire.connection import Methods

log = structlog.get_logger(__name__)

_WATCH_SECONDS = 1.0
# Looking at thousands of them at once would be felt by the calls of all.
_WATCHED_PER_TURN = 200
_DRAIN_POLL_SECONDS = 0.01
# Connections that wait to be accepted; Envoy opens one per worker thread, attackers thousands.
_BACKLOG = 1_024


@asynccontextmanager
async def serve_wire(
    listen: str,
    methods: Methods,
    services: Sequence[str],
    *,
    drain_timeout_seconds: float,
    drain_notice_seconds: float = 0.0,
    tls: ssl.SSLContext | None = None,
) -> AsyncIterator[None]:
    """Serve `methods`, by their paths, on `HOST:PORT` or `unix:PATH` while the block runs.

    Then callers that watch the health of `services` have `drain_notice_seconds` to go elsewhere,
    and calls in flight `drain_timeout_seconds` to end. Raises OperatorError when the address is
    not to be had.
    """
    health = Health(services)
    connections: set[Connection] = set()
    everything = {**methods, **health.methods}
    server = await _listen(listen, lambda: Connection(everything, connections), tls)
    watching = asyncio.ensure_future(_watch(connections))
    log.info("listening", address=listen, transport="wire")
    try:
        yield
    finally:
        health.stop_serving()
        for connection in list(connections):
            connection.announce_drain()
        await asyncio.sleep(drain_notice_seconds)
        server.close()
        await _drain(connections, drain_timeout_seconds)
        watching.cancel()


async def _listen(
    listen: str, factory: Callable[[], Connection], tls: ssl.SSLContext | None
) -> asyncio.Server:
    loop = asyncio.get_running_loop()
    try:
        if listen.startswith("unix:"):
            path = listen.removeprefix("unix:")
            return await loop.create_unix_server(factory, path, ssl=tls, backlog=_BACKLOG)
        host, port = split_address(listen)
        return await loop.create_server(factory, host, port, ssl=tls, backlog=_BACKLOG)
    except OSError as error:
        raise OperatorError(f"cannot listen on {listen}: {error.strerror}") from error


async def _watch(connections: set[Connection]) -> None:
    loop = asyncio.get_running_loop()
    while True:
        await asyncio.sleep(_WATCH_SECONDS)
        for number, connection in enumerate(list(connections)):
            if number % _WATCHED_PER_TURN == 0:
                await asyncio.sleep(0)
            connection.check(loop.time())


async def _drain(connections: set[Connection], timeout_seconds: float) -> None:
    for connection in list(connections):
        connection.drain()
    with suppress(TimeoutError):
        async with asyncio.timeout(timeout_seconds):
            while connections:  # noqa: ASYNC110 - they end by themselves, one by one
                await asyncio.sleep(_DRAIN_POLL_SECONDS)
    for connection in list(connections):
        connection.abort()
