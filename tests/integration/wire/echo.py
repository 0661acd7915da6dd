"""Methods that let tests of the transport see what it does."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ext_authz.wire.connection import Methods
    from ext_authz.wire.stream import Stream

SERVICE = "tollkeeper.test.Echo"


def path(method: str) -> str:
    return f"/{SERVICE}/{method}"


class Echo:
    def __init__(self) -> None:
        self._held: list[tuple[Stream, bytes]] = []
        self._calls = 0

    @property
    def methods(self) -> Methods:
        handlers = (self.echo, self.later, self.hold, self.release, self.fail, self.count)
        return {path(handler.__name__.title()): handler for handler in handlers}

    def echo(self, message: bytes, stream: Stream) -> None:
        """Answer with what was asked."""
        self._calls += 1
        stream.answer(message)

    def later(self, message: bytes, stream: Stream) -> None:
        """As echo, after so many milliseconds."""
        self._calls += 1
        delay = int(message) / 1000
        asyncio.get_running_loop().call_later(delay, stream.answer, message)

    def hold(self, message: bytes, stream: Stream) -> None:
        """As echo, once somebody calls release."""
        self._calls += 1
        self._held.append((stream, message))

    def release(self, message: bytes, stream: Stream) -> None:
        """Answer all that is held, then say how many calls that were."""
        del message
        held, self._held = self._held, []
        for waiting, text in held:
            waiting.answer(text)
        stream.answer(b"%d" % len(held))

    def fail(self, message: bytes, stream: Stream) -> None:
        """`STATUS details`."""
        status, _, details = message.decode().partition(" ")
        stream.fail(int(status), details)

    def count(self, message: bytes, stream: Stream) -> None:
        """How many calls reached echo, later or hold."""
        del message
        stream.answer(b"%d" % self._calls)
