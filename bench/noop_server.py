"""The yardstick: `grpc.aio` on uvloop, which reads every check and allows it without a thought.

Imports nothing of ours, so that no change of ours can move it.
"""

from __future__ import annotations

import argparse
from typing import Any

import grpc
import uvloop
from envoy.service.auth.v3 import external_auth_pb2, external_auth_pb2_grpc
from grpc_health.v1 import health, health_pb2_grpc

_ALLOWED = external_auth_pb2.CheckResponse()
_ALLOWED.status.code = 0
_ALLOWED.ok_response.SetInParent()


class Noop(external_auth_pb2_grpc.AuthorizationServicer):  # type: ignore[misc] # untyped base
    async def Check(self, request: Any, context: Any) -> Any:  # noqa: ARG002, N802 - gRPC's form
        return _ALLOWED


async def serve(listen: str) -> None:
    server = grpc.aio.server(options=[("grpc.so_reuseport", 0)])
    external_auth_pb2_grpc.add_AuthorizationServicer_to_server(Noop(), server)
    # Envoy asks for it before it sends calls; it answers SERVING for the whole server.
    health_pb2_grpc.add_HealthServicer_to_server(health.aio.HealthServicer(), server)
    server.add_insecure_port(listen)
    await server.start()
    await server.wait_for_termination()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--listen", required=True, metavar="HOST:PORT")
    uvloop.run(serve(parser.parse_args().listen))
