"""The two stock gRPC clients, in one form."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import grpc

from tests.integration.wire.echo import path

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

_SECONDS = 10
# Each channel has a connection of its own, also where two of them go to one address.
_OWN_CONNECTION = ("grpc.use_local_subchannel_pool", 1)
_UNLIMITED = [
    ("grpc.max_receive_message_length", -1),
    ("grpc.max_send_message_length", -1),
    ("grpc.max_metadata_size", 1_000_000),
    ("grpc.absolute_max_metadata_size", 1_000_000),
]


@dataclass(frozen=True)
class Outcome:
    code: grpc.StatusCode
    message: bytes = b""
    details: str | None = ""


class Caller:
    """One channel, synchronous (its calls in threads) or asyncio's."""

    def __init__(self, channel: Any, *, is_sync: bool) -> None:
        self._channel = channel
        self._is_sync = is_sync

    async def call(self, method: str, message: bytes = b"", **options: Any) -> Outcome:
        options.setdefault("timeout", _SECONDS)
        function = self._channel.unary_unary(path(method))
        try:
            if self._is_sync:
                answer = await asyncio.to_thread(function, message, **options)
            else:
                answer = await function(message, **options)
        except grpc.RpcError as error:
            return Outcome(error.code(), details=error.details())  # type: ignore[attr-defined]
        return Outcome(grpc.StatusCode.OK, answer)

    async def stream(self, method: str, messages: Sequence[bytes]) -> Outcome:
        """A call that streams both ways, as nobody should call a unary method."""
        function = self._channel.stream_stream(path(method))
        call = function(iter(messages), timeout=_SECONDS)
        try:
            answers = list(await asyncio.to_thread(list, call)) if self._is_sync else []
            if not self._is_sync:
                answers = [answer async for answer in call]
        except grpc.RpcError as error:
            return Outcome(error.code(), details=error.details())  # type: ignore[attr-defined]
        return Outcome(grpc.StatusCode.OK, b"|".join(answers))


@asynccontextmanager
async def calling(
    target: str, *, is_sync: bool, options: Sequence[tuple[str, Any]] = ()
) -> AsyncIterator[Caller]:
    everything = [_OWN_CONNECTION, *_UNLIMITED, *options]
    if is_sync:
        with grpc.insecure_channel(target, options=everything) as channel:
            yield Caller(channel, is_sync=True)
    else:
        async with grpc.aio.insecure_channel(target, options=everything) as channel:
            yield Caller(channel, is_sync=False)
