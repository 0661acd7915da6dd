"""Envoy's access log service: the end of every call."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import structlog
from envoy.service.accesslog.v3 import als_pb2, als_pb2_grpc
from prometheus_client import Counter
from redis.exceptions import RedisError

from ext_authz.courier.settlement import settle

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    import grpc

    from ext_authz.courier.settlements import Settlements

log = structlog.get_logger(__name__)

SERVICE_NAME: str = als_pb2.DESCRIPTOR.services_by_name["AccessLogService"].full_name
ENTRIES = Counter(
    "tollkeeper_courier_access_log_entries_total", "Access log entries, by use", ["use"]
)


class AccessLogService(als_pb2_grpc.AccessLogServiceServicer):  # type: ignore[misc]
    """Turns entries into settlements. There is no acknowledgement: what fails here is charged as
    estimated after the settle wait.
    """

    def __init__(self, settlements: Settlements) -> None:
        self._settlements = settlements

    async def StreamAccessLogs(  # noqa: N802 - gRPC's name
        self, messages: AsyncIterator[Any], _: grpc.aio.ServicerContext[Any, Any]
    ) -> Any:
        async for message in messages:
            await self._take(message.http_logs.log_entry)
        return als_pb2.StreamAccessLogsResponse()

    async def _take(self, entries: Any) -> None:
        found = [settle(entry) for entry in entries]
        settlements = [settlement for settlement in found if settlement is not None]
        ENTRIES.labels("ignored").inc(len(found) - len(settlements))
        ENTRIES.labels("settled").inc(len(settlements))
        try:
            await self._settlements.add(settlements)
        except (RedisError, OSError) as error:
            log.warning("settlements wait for Redis", error=str(error))


def register(settlements: Settlements, server: grpc.aio.Server) -> None:
    als_pb2_grpc.add_AccessLogServiceServicer_to_server(AccessLogService(settlements), server)
