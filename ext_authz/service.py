"""Envoy's Authorization service on grpc.aio, the reference transport."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import grpc
from envoy.service.auth.v3 import external_auth_pb2
from google.protobuf.message import DecodeError

from ext_authz.decision import NoVerdictError

if TYPE_CHECKING:
    from ext_authz.gate import Gate

SERVICE_NAME: str = external_auth_pb2.DESCRIPTOR.services_by_name["Authorization"].full_name


def register(gate: Gate, server: grpc.aio.Server) -> None:
    # Requests arrive as bytes: grpc's own deserialiser would log a traceback for each bad one.
    check: grpc.RpcMethodHandler[bytes, Any] = grpc.unary_unary_rpc_method_handler(
        partial(_check, gate), response_serializer=_serialize
    )
    handler = grpc.method_handlers_generic_handler(SERVICE_NAME, {"Check": check})
    server.add_generic_rpc_handlers((handler,))


async def _check(gate: Gate, raw: bytes, context: grpc.aio.ServicerContext[Any, Any]) -> Any:
    """Answer one check.

    Trouble fails the RPC, it is no denial: Envoy answers 503 by `status_on_error`, and only a
    failed RPC obeys `failure_mode_allow`, which we ship as false.
    """
    try:
        return await gate.check(external_auth_pb2.CheckRequest.FromString(raw))
    except DecodeError as error:
        await context.abort(grpc.StatusCode.INVALID_ARGUMENT, f"not a CheckRequest: {error}")
    except NoVerdictError as error:
        await context.abort(grpc.StatusCode.UNAVAILABLE, f"no verdict: {error}")


def _serialize(response: Any) -> bytes:
    data: bytes = response.SerializeToString()
    return data
