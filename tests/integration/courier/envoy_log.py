"""Envoy's end of the access log stream."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import grpc
from envoy.data.accesslog.v3 import accesslog_pb2
from envoy.service.accesslog.v3 import als_pb2, als_pb2_grpc

if TYPE_CHECKING:
    from ext_authz.courier.settings import CourierSettings


def ended(charge_id: str, status: int = 200, *, units: int = 1, request_id: str = "") -> Any:
    """The entry of a call that the gate let pass."""
    entry = _entry(status, "via_upstream", request_id)
    entry.common_properties.metadata.filter_metadata["envoy.filters.http.ext_authz"].update(
        {"charge_id": charge_id, "units": str(units)}
    )
    return entry


def without_verdict(request_id: str) -> Any:
    """The entry of a call for which the gate's answer never reached Envoy."""
    return _entry(503, "ext_authz_error", request_id)


async def send(courier: CourierSettings, *entries: Any) -> None:
    """Write one message to the stream; returns when the courier has read it to its end."""
    async with grpc.aio.insecure_channel(courier.courier_listen) as channel:
        call = als_pb2_grpc.AccessLogServiceStub(channel).StreamAccessLogs(timeout=5)
        message = als_pb2.StreamAccessLogsMessage()
        message.identifier.log_name = "tollkeeper"
        message.http_logs.log_entry.extend(entries)
        await call.write(message)
        await call.done_writing()
        await call


def _entry(status: int, details: str, request_id: str) -> Any:
    entry = accesslog_pb2.HTTPAccessLogEntry()
    entry.request.request_id = request_id
    entry.response.response_code.value = status
    entry.response.response_code_details = details
    return entry
