"""Protocol buffers by hand, where building messages would cost more than the decision."""

from __future__ import annotations

_ONE_BYTE = [bytes([length]) for length in range(128)]


def delimited(number: int, payload: bytes) -> bytes:
    """A length-delimited field: a string, bytes or a message. `number` is 15 at the most."""
    return b"%c%b%b" % (number << 3 | 2, length(payload), payload)


def length(payload: bytes) -> bytes:
    """The payload's length as a varint."""
    size = len(payload)
    if size < 128:  # noqa: PLR2004 - seven bits a byte
        return _ONE_BYTE[size]
    encoded = bytearray()
    while size > 127:  # noqa: PLR2004 - as above
        encoded.append(size & 127 | 128)
        size >>= 7
    encoded.append(size)
    return bytes(encoded)
