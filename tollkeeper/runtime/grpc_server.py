"""A gRPC server with health, reflection and a drain, and the channel that calls one."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import grpc
import structlog
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from tollkeeper.runtime.errors import OperatorError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence

log = structlog.get_logger(__name__)

# A peer whose machine vanished is noticed after this long; half would only cost idle packets.
_KEEPALIVE = [("grpc.keepalive_time_ms", 20_000), ("grpc.keepalive_timeout_ms", 10_000)]
# Without it two servers silently share a port, and a test talks to the wrong one.
_SERVER_OPTIONS = [
    *_KEEPALIVE,
    ("grpc.so_reuseport", 0),
    # Four times grpc's own limit: 10,000 usage events with ids of full length are 6 MB.
    ("grpc.max_receive_message_length", 16 * 1024 * 1024),
]


@asynccontextmanager
async def serve_grpc(
    listen: str,
    register: Callable[[grpc.aio.Server], None],
    services: Sequence[str],
    *,
    drain_timeout_seconds: float,
    drain_notice_seconds: float = 0.0,
    credentials: grpc.ServerCredentials | None = None,
) -> AsyncIterator[None]:
    """Serve on `HOST:PORT` or `unix:PATH`, in plaintext without `credentials`.

    After the block it refuses new calls and finishes those in flight; before that, callers that
    watch the health service have `drain_notice_seconds` to go elsewhere. `register` adds the
    servicers; `services` are their full names, for health and reflection. Raises OperatorError
    when the address is taken.
    """
    server = grpc.aio.server(options=_SERVER_OPTIONS)
    register(server)
    servicer = health.aio.HealthServicer()
    health_pb2_grpc.add_HealthServicer_to_server(servicer, server)
    reflection.enable_server_reflection(
        [*services, health.SERVICE_NAME, reflection.SERVICE_NAME], server
    )
    try:
        if credentials is None:
            server.add_insecure_port(listen)
        else:
            server.add_secure_port(listen, credentials)
    except RuntimeError as error:
        raise OperatorError(f"cannot listen on {listen}: is it in use?") from error
    await server.start()
    for name in ("", *services):
        await servicer.set(name, health_pb2.HealthCheckResponse.SERVING)
    log.info("listening", address=listen)
    try:
        yield
    finally:
        await servicer.enter_graceful_shutdown()
        await asyncio.sleep(drain_notice_seconds)
        await server.stop(drain_timeout_seconds)


def open_channel(address: str) -> grpc.aio.Channel:
    """A plaintext channel to `HOST:PORT` that reconnects within two seconds of a restart."""
    return grpc.aio.insecure_channel(
        address,
        options=[
            *_KEEPALIVE,
            # Our processes meet directly, whatever `http_proxy` says.
            ("grpc.enable_http_proxy", 0),
            ("grpc.initial_reconnect_backoff_ms", 100),
            ("grpc.max_reconnect_backoff_ms", 2_000),
        ],
    )


async def wait_for_channel(channel: grpc.aio.Channel, address: str, seconds: float) -> None:
    """Return once connected. Raises OperatorError after `seconds`."""
    try:
        await asyncio.wait_for(channel.channel_ready(), seconds)
    except TimeoutError:
        raise OperatorError(
            f"nothing answers gRPC at {address}: is it running? (waited {seconds:g} s)"
        ) from None
