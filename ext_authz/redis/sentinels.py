"""Asks Sentinels where the master is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

from redis.asyncio.sentinel import MasterNotFoundError, Sentinel

from ext_authz.redis.place import Place

if TYPE_CHECKING:
    from ext_authz.redis.url import RedisUrl

# One that hangs must not keep us from asking the next.
_TIMEOUT_SECONDS = 0.3


class Sentinels:
    def __init__(self, url: RedisUrl) -> None:
        self._service = url.service
        self.discovery = Sentinel([])  # type: ignore[no-untyped-call]
        """By redis-py."""
        self.discovery.sentinels = [
            url.sentinel_client(
                place, socket_timeout=_TIMEOUT_SECONDS, socket_connect_timeout=_TIMEOUT_SECONDS
            )
            for place in url.places
        ]

    async def master(self) -> Place:
        """Where it is now. Raises ConnectionError when no Sentinel knows."""
        try:
            host, port = await self.discovery.discover_master(self._service)
        except MasterNotFoundError:
            # Its own message describes the client, over many lines.
            raise ConnectionError(f"no Sentinel names a master {self._service!r}") from None
        return Place(host, port)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.discovery.aclose()
