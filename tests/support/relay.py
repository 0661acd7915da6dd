"""A network that a test can break: a relay that can be cut or frozen, and end TLS."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncIterator


# Who a connection is for shows in its first words.
_REMEMBERED_BYTES = 65_536


class Relay:
    """Passes bytes between whoever connects to `port` and a server elsewhere."""

    def __init__(self, host: str, port: int, tls: ssl.SSLContext | None = None) -> None:
        self._target = (host, port)
        self._tls = tls
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._flowing = asyncio.Event()
        self._flowing.set()
        self._frozen_saying: bytes | None = None
        self._said: list[bytearray] = []
        self.port = 0

    async def open(self) -> None:
        """Listen: on a free port at first, on the same port after a `cut`."""
        self._server = await asyncio.start_server(self._join, "127.0.0.1", self.port, ssl=self._tls)
        self.port = self._server.sockets[0].getsockname()[1]

    async def cut(self) -> None:
        """As if the server died: connections break, new ones are refused."""
        if self._server is not None:
            self._server.close()
        for writer in self._writers:
            writer.transport.abort()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._writers.clear()

    def freeze(self, saying: bytes = b"") -> None:
        """As if the server hung: connections are accepted, and no byte passes.

        Or only as if some connections were lost: those whose client has ever said this.
        """
        self._frozen_saying = saying
        self._flowing.clear()

    def thaw(self) -> None:
        self._frozen_saying = None
        self._flowing.set()

    def said(self, words: bytes) -> int:
        """Over how many connections a client has ever said this."""
        return sum(words in said for said in self._said)

    async def _join(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there_reader, there_writer = await asyncio.open_connection(*self._target)
        self._writers |= {writer, there_writer}
        said = bytearray()
        self._said.append(said)
        for source, sink in ((reader, there_writer), (there_reader, writer)):
            task = asyncio.create_task(self._pump(source, sink, said, listens=source is reader))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _pump(
        self,
        source: asyncio.StreamReader,
        sink: asyncio.StreamWriter,
        said: bytearray,
        *,
        listens: bool,
    ) -> None:
        try:
            while data := await source.read(65_536):
                if listens and len(said) < _REMEMBERED_BYTES:
                    said += data
                while self._frozen_saying is not None and self._frozen_saying in said:
                    await self._flowing.wait()
                sink.write(data)
                await sink.drain()
        except OSError:
            pass
        finally:
            sink.close()


@asynccontextmanager
async def relay_to(host: str, port: int, tls: ssl.SSLContext | None = None) -> AsyncIterator[Relay]:
    relay = Relay(host, port, tls)
    await relay.open()
    try:
        yield relay
    finally:
        await relay.cut()
