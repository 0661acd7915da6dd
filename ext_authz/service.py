"""Envoy's Authorization service on grpc.aio, the reference transport."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import grpc
from envoy.service.auth.v3 import external_auth_pb2, external_auth_pb2_grpc

from ext_authz.decision import NoVerdictError

if TYPE_CHECKING:
    from ext_authz.gate import Gate

SERVICE_NAME: str = external_auth_pb2.DESCRIPTOR.services_by_name["Authorization"].full_name


class AuthorizationService(external_auth_pb2_grpc.AuthorizationServicer):  # type: ignore[misc]
    def __init__(self, gate: Gate) -> None:
        self._gate = gate

    async def Check(self, request: Any, context: grpc.aio.ServicerContext[Any, Any]) -> Any:  # noqa: N802 - gRPC's name
        try:
            return await self._gate.check(request)
        except NoVerdictError as error:
            # A failed RPC, not a denial: Envoy answers 503 by `status_on_error`, and only this
            # obeys `failure_mode_allow`, which we ship as false.
            await context.abort(grpc.StatusCode.UNAVAILABLE, f"no verdict: {error}")


def register(gate: Gate, server: grpc.aio.Server) -> None:
    external_auth_pb2_grpc.add_AuthorizationServicer_to_server(AuthorizationService(gate), server)
