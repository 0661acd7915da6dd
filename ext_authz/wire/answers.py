"""What is sent back: header blocks encoded once, as literals that touch no table."""

from __future__ import annotations

from functools import lru_cache
from urllib.parse import quote

from hpack import Encoder, NeverIndexedHeaderTuple

from ext_authz.wire import frames

# gRPC status codes, https://grpc.io/docs/guides/status-codes/
INVALID_ARGUMENT, DEADLINE_EXCEEDED, RESOURCE_EXHAUSTED = 3, 4, 8
UNIMPLEMENTED, INTERNAL, UNAVAILABLE = 12, 13, 14

HTTP_OK = 200
NOT_GRPC = b"this server speaks gRPC\n"

_CONTENT_TYPE = (b"content-type", b"application/grpc")


def _block(*fields: tuple[bytes, bytes]) -> bytes:
    # Never indexed: the same bytes mean the same, whatever the peer's table holds by then.
    encoded = Encoder().encode(
        [NeverIndexedHeaderTuple(name, value) for name, value in fields], huffman=False
    )
    return bytes(encoded)


def _head(flags: int, length: int, kind: int) -> bytes:
    return length.to_bytes(3, "big") + bytes((kind, flags))


_OK_HEADERS = _block((b":status", b"200"), _CONTENT_TYPE)
_OK_TRAILERS = _block((b"grpc-status", b"0"))

# An answer is HEADERS, DATA, HEADERS. Between these pieces stand the stream id, four times over,
# and the message.
HEADERS_START = _head(frames.END_HEADERS, len(_OK_HEADERS), frames.HEADERS)
HEADERS_BLOCK = _OK_HEADERS
TRAILERS_START = _head(frames.END_HEADERS | frames.END_STREAM, len(_OK_TRAILERS), frames.HEADERS)
TRAILERS_BLOCK = _OK_TRAILERS


@lru_cache(maxsize=256)
def failure_block(status: int, message: str) -> bytes:
    """The one header block of a call that failed (gRPC calls it Trailers-Only)."""
    fields = [
        (b":status", b"200"),
        _CONTENT_TYPE,
        (b"grpc-status", b"%d" % status),
        (b"grpc-message", quote(message, safe=" !\"#$&'()*+,-./:;<=>?@[\\]^_`{|}~").encode()),
    ]
    if status == UNIMPLEMENTED:
        fields.append((b"grpc-accept-encoding", b"identity"))
    return _block(*fields)


@lru_cache(maxsize=8)
def http_block(status: int) -> bytes:
    """For a request that is not gRPC at all."""
    return _block((b":status", b"%d" % status), (b"content-type", b"text/plain"))
