"""grpc.health.v1, as far as proxies ask: Check."""

from __future__ import annotations

from typing import TYPE_CHECKING

from google.protobuf.message import DecodeError
from grpc_health.v1 import health_pb2

from ext_authz.wire import answers

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ext_authz.wire.connection import Methods
    from ext_authz.wire.stream import Stream

_NOT_FOUND = 5


class Health:
    """Serving from the start; the empty name stands for the whole server."""

    def __init__(self, services: Sequence[str]) -> None:
        self._services = {"", *services}
        self._status = health_pb2.HealthCheckResponse.SERVING

    @property
    def methods(self) -> Methods:
        return {"/grpc.health.v1.Health/Check": self._check}

    def stop_serving(self) -> None:
        self._status = health_pb2.HealthCheckResponse.NOT_SERVING

    def _check(self, message: bytes, stream: Stream) -> None:
        try:
            request = health_pb2.HealthCheckRequest.FromString(message)
        except DecodeError:
            stream.fail(answers.INVALID_ARGUMENT, "not a HealthCheckRequest")
            return
        if request.service in self._services:
            response = health_pb2.HealthCheckResponse(status=self._status)
            stream.answer(response.SerializeToString())
        else:
            stream.fail(_NOT_FOUND, "no such service")
