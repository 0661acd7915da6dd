"""Envoy's Authorization service, on both transports."""

from __future__ import annotations

import asyncio
import math
from functools import partial
from typing import TYPE_CHECKING, Any

import grpc
from envoy.service.auth.v3 import external_auth_pb2

if TYPE_CHECKING:
    from ext_authz.gate import Gate
    from ext_authz.wire.connection import Methods

SERVICE_NAME: str = external_auth_pb2.DESCRIPTOR.services_by_name["Authorization"].full_name


def wire_methods(gate: Gate) -> Methods:
    """For our own transport: a stream is an exchange as it stands."""
    return {f"/{SERVICE_NAME}/Check": gate.check}


def register(gate: Gate, server: grpc.aio.Server) -> None:
    """For grpc.aio, the reference transport."""
    # Requests arrive as bytes: grpc's own deserialiser would log a traceback for each bad one.
    check: grpc.RpcMethodHandler[bytes, bytes] = grpc.unary_unary_rpc_method_handler(
        partial(_check, gate)
    )
    handler = grpc.method_handlers_generic_handler(SERVICE_NAME, {"Check": check})
    server.add_generic_rpc_handlers((handler,))


class _Failed(Exception):  # noqa: N818 - a status for the caller
    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = next(code for code in grpc.StatusCode if code.value[0] == status)
        self.message = message


class _FutureExchange:
    """An exchange that a coroutine waits for."""

    def __init__(self, seconds: float | None) -> None:
        loop = asyncio.get_running_loop()
        self.deadline = math.inf if seconds is None else loop.time() + seconds
        self.answered: asyncio.Future[bytes] = loop.create_future()

    def answer(self, message: bytes) -> None:
        # Done already when the caller has hung up.
        if not self.answered.done():
            self.answered.set_result(message)

    def fail(self, status: int, message: str) -> None:
        if not self.answered.done():
            self.answered.set_exception(_Failed(status, message))


async def _check(gate: Gate, raw: bytes, context: grpc.aio.ServicerContext[Any, Any]) -> bytes:
    exchange = _FutureExchange(context.time_remaining())
    gate.check(raw, exchange)
    try:
        return await exchange.answered
    except _Failed as failed:
        await context.abort(failed.status, failed.message)
        raise
