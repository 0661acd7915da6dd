"""The one message of a unary call, out of its DATA."""

from __future__ import annotations

from ext_authz.wire import answers
from ext_authz.wire.limits import MESSAGE_BYTES_MAX

_PREFIX_LENGTH = 5


class MessageError(Exception):
    """A gRPC status for the caller; the connection is in order."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


def unwrap(data: bytes) -> bytes:
    """The message without its prefix. Raises MessageError unless it is whole, single and plain."""
    length = len(data) - _PREFIX_LENGTH
    if length < 0:
        raise MessageError(answers.UNIMPLEMENTED, "a unary call has one message, this has none")
    if data[0]:
        raise MessageError(answers.UNIMPLEMENTED, "compressed messages are not understood")
    announced = int.from_bytes(data[1:_PREFIX_LENGTH], "big")
    if announced == length:
        return data[_PREFIX_LENGTH:]
    if announced > MESSAGE_BYTES_MAX:
        raise MessageError(
            answers.RESOURCE_EXHAUSTED, f"a message has at most {MESSAGE_BYTES_MAX} bytes"
        )
    if announced < length:
        raise MessageError(answers.UNIMPLEMENTED, "a unary call has one message, this has more")
    raise MessageError(answers.INTERNAL, "the message ends before its length")
