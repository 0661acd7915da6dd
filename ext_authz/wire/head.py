"""What a request's header block says, once decoded (RFC 9113, section 8; gRPC over HTTP/2)."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

_TIMEOUT = re.compile(rb"([0-9]{1,8})([HMSmun])")
_UNIT_SECONDS = {b"H": 3600.0, b"M": 60.0, b"S": 1.0, b"m": 1e-3, b"u": 1e-6, b"n": 1e-9}
_LENGTH_DIGITS_MAX = 19
_PSEUDO = frozenset({b":method", b":scheme", b":authority", b":path"})
_REQUIRED = frozenset({b":method", b":scheme", b":path"})
_CONNECTION_SPECIFIC = frozenset(
    {b"connection", b"keep-alive", b"proxy-connection", b"transfer-encoding", b"upgrade"}
)
_NAME = re.compile(rb"[!#$%&'*+\-.^_`|~0-9a-z]+")
# Section 8.2.1: what could end a line, and space at the ends.
_BAD_VALUE = re.compile(rb"[\x00\r\n]|\A[ \t]|[ \t]\Z")
_GRPC = re.compile(rb"application/grpc(?:[+;].*)?", re.IGNORECASE)


class MalformedHeadError(Exception):
    """A stream error of type PROTOCOL_ERROR."""


@dataclass(frozen=True, slots=True)
class Head:
    """One request head; shared by all requests with the same bytes."""

    path: str
    timeout_seconds: float
    """Infinite when the caller gave none."""
    content_length: int | None
    http_status: int
    """200, or why this is no gRPC request."""


# Not decoded to its end; of a call only the refusal matters.
TOO_LARGE = Head(path="", timeout_seconds=math.inf, content_length=None, http_status=431)


def read_head(fields: Iterable[tuple[bytes, bytes]]) -> Head:
    """Check and understand a request's fields. Raises MalformedHeadError."""
    pseudo: dict[bytes, bytes] = {}
    regular: dict[bytes, bytes] = {}
    for name, value in fields:
        if name.startswith(b":"):
            if regular or name not in _PSEUDO or name in pseudo:
                raise MalformedHeadError
            pseudo[name] = value
            continue
        _check_field(name, value)
        regular[name] = value
    if not pseudo.keys() >= _REQUIRED or not pseudo[b":path"]:
        raise MalformedHeadError
    return Head(
        path=pseudo[b":path"].decode("latin-1"),
        timeout_seconds=_timeout_seconds(regular.get(b"grpc-timeout")),
        content_length=_content_length(regular.get(b"content-length")),
        http_status=_http_status(pseudo[b":method"], regular.get(b"content-type", b"")),
    )


def check_trailers(fields: Iterable[tuple[bytes, bytes]]) -> None:
    """Raises MalformedHeadError. What they say means nothing to a unary call."""
    for name, value in fields:
        _check_field(name, value)


def _check_field(name: bytes, value: bytes) -> None:
    if not _NAME.fullmatch(name) or name in _CONNECTION_SPECIFIC or _BAD_VALUE.search(value):
        raise MalformedHeadError
    if name == b"te" and value != b"trailers":
        raise MalformedHeadError


def _timeout_seconds(value: bytes | None) -> float:
    if value is None:
        return math.inf
    match = _TIMEOUT.fullmatch(value)
    if match is None:
        raise MalformedHeadError
    return int(match[1]) * _UNIT_SECONDS[match[2]]


def _content_length(value: bytes | None) -> int | None:
    if value is None:
        return None
    # More digits than any length has; Python refuses to read thousands of them.
    if not value.isdigit() or len(value) > _LENGTH_DIGITS_MAX:
        raise MalformedHeadError
    return int(value)


def _http_status(method: bytes, content_type: bytes) -> int:
    if method != b"POST":
        return 405
    return 200 if _GRPC.fullmatch(content_type) else 415
