"""One request in flight."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ext_authz.wire.connection import Connection
    from ext_authz.wire.head import Head


class Stream:
    """From HEADERS to the last frame of the answer.

    The handler of a call holds it and gives one answer: `answer` or `fail`, at once or later. When
    the caller has gone meanwhile, the answer is dropped.
    """

    __slots__ = (
        "body",
        "complete",
        "connection",
        "deadline",
        "head",
        "id_bytes",
        "received",
        "send_window",
        "stream_id",
    )

    def __init__(
        self, connection: Connection, stream_id: int, head: Head, deadline: float, window: int
    ) -> None:
        self.connection = connection
        self.stream_id = stream_id
        self.id_bytes = stream_id.to_bytes(4, "big")
        self.head = head
        self.deadline = deadline
        """On the event loop's clock; an answer that is later is an error, not a verdict."""
        self.body: bytearray | None = None
        """DATA so far, where the message did not come in one frame."""
        self.received = 0
        """Bytes of flow control used, padding included."""
        self.complete = False
        """The caller has sent all it will send (half-closed, section 5.1)."""
        self.send_window = window

    def answer(self, message: bytes) -> None:
        """The serialised response of a call that succeeded."""
        self.connection.answer(self, message)

    def fail(self, status: int, message: str) -> None:
        """A gRPC status other than OK, and why."""
        self.connection.fail(self, status, message)
