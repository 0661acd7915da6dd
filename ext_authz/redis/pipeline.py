"""One connection to Redis that many checks share, without a coroutine for any of them.

Commands of one turn of the event loop leave in one write; answers come in order (RESP guarantees
it) and are handed to whoever asked. A command is never sent twice.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, Any, Protocol, cast

import hiredis
import structlog

if TYPE_CHECKING:
    from collections.abc import Callable

log = structlog.get_logger(__name__)

# What may wait for Redis at once: two thousand streams on each of a few connections. More than
# this cannot be answered within the deadline anyway.
QUEUE_MAX = 10_000
# A Redis that owes an answer for this long has lost it: the connection is given up.
_SILENCE_SECONDS_MAX = 1.0


class Asker(Protocol):
    """Who sent a command. Exactly one of the two is called, once."""

    def replied(self, reply: Any) -> None:
        """Redis' answer; an error answer comes as `hiredis.ReplyError`."""

    def unanswered(self, why: str) -> None:
        """There is no answer in time. Whether Redis ran the command is not known."""


class _Nobody:
    """Stands in the queue for an asker who was told to wait no longer."""

    def replied(self, reply: Any) -> None:
        pass

    def unanswered(self, why: str) -> None:
        pass


NOBODY = _Nobody()


class Pipeline(asyncio.Protocol):
    def __init__(
        self,
        timeout_seconds: float,
        lost: Callable[[Pipeline], None],
        complained: Callable[[Pipeline, str], None],
    ) -> None:
        """`lost`: the connection has ended. `complained`: an answer was this error."""
        self._loop = asyncio.get_running_loop()
        self._timeout_seconds = timeout_seconds
        self._lost = lost
        self._complained = complained
        self._transport: asyncio.Transport | None = None
        self._reader = hiredis.Reader(replyError=self._error)
        self._waiting: deque[tuple[float, Asker]] = deque()
        self._out: list[bytes] = []
        self._watch: asyncio.TimerHandle | None = None
        self._told = 0

    def send(self, data: bytes, asker: Asker) -> None:
        """Send one command. The asker hears of it within the timeout, whatever happens."""
        if self._transport is None:
            asker.unanswered("not connected")
        elif len(self._waiting) >= QUEUE_MAX:
            asker.unanswered("too many commands wait")
        else:
            if not self._out:
                self._loop.call_soon(self._flush)
            self._out.append(data)
            self._waiting.append((self._loop.time(), asker))
            if self._watch is None:
                self._watch = self._loop.call_later(self._timeout_seconds, self._look)

    @property
    def is_open(self) -> bool:
        return self._transport is not None and not self._transport.is_closing()

    def close(self) -> None:
        """Give the connection up, and tell all that wait."""
        if self._transport is not None:
            self._transport.abort()

    # What the transport tells ---------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports share no base class with asyncio's.
        self._transport = cast("asyncio.Transport", transport)

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        if self._watch is not None:
            self._watch.cancel()
        waiting, self._waiting = self._waiting, deque()
        self._out.clear()
        why = f"connection lost: {exc}" if exc else "connection lost"
        for _, asker in waiting:
            _tell(asker, why)
        self._lost(self)

    def data_received(self, data: bytes) -> None:
        reader, waiting = self._reader, self._waiting
        try:
            reader.feed(data)
            while (reply := reader.gets()) is not False:
                _, asker = waiting.popleft()
                if self._told:
                    self._told -= 1
                try:
                    asker.replied(reply)
                except Exception:
                    # One asker's mistake must not cost the others their answers.
                    log.exception("an answer of Redis was not understood")
                    _tell(asker, "not understood")
        except (hiredis.ProtocolError, IndexError):
            # Neither an answer nor a question fits any more; all that wait are told.
            self.close()

    def _error(self, text: str) -> hiredis.ReplyError:
        """Called by the parser, so that answers that are no errors pay nothing for it."""
        self._complained(self, text)
        return hiredis.ReplyError(text)

    # Deadlines ------------------------------------------------------------------------------------

    def _flush(self) -> None:
        if self._transport is not None and self._out:
            self._transport.write(b"".join(self._out))
        self._out.clear()

    def _look(self) -> None:
        """Tell those who have waited long enough; they stand in the order in which they came."""
        # `_watch` stays set meanwhile: who is told may send again, and must not start a second one.
        now = self._loop.time()
        waiting = self._waiting
        if waiting and now - waiting[0][0] > _SILENCE_SECONDS_MAX:
            self._watch = None
            self.close()
            return
        late = now - self._timeout_seconds
        while self._told < len(waiting) and waiting[self._told][0] <= late:
            sent_at, asker = waiting[self._told]
            waiting[self._told] = (sent_at, NOBODY)
            self._told += 1
            _tell(asker, "no answer in time")
        if not waiting:
            self._watch = None
        else:
            nearest = waiting[min(self._told, len(waiting) - 1)][0] + self._timeout_seconds
            delay = max(nearest - now, self._timeout_seconds / 4)
            self._watch = self._loop.call_later(delay, self._look)


def _tell(asker: Asker, why: str) -> None:
    try:
        asker.unanswered(why)
    except Exception:
        # As above: the others must hear too.
        log.exception("somebody could not be told that there is no answer")
