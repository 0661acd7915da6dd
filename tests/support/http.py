"""HTTP as written: no client library that tidies paths and headers."""

from __future__ import annotations

import socket
from dataclasses import dataclass
from http.client import HTTPResponse
from typing import Any, Self
from urllib.parse import urlsplit

import orjson


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return orjson.loads(self.body)


class Caller:
    """A keep-alive connection to the gateway."""

    def __init__(self, gateway: str, key: str | None = None) -> None:
        parts = urlsplit(gateway)
        self._address = (parts.hostname or "", parts.port or 80)
        self._headers = {} if key is None else {"x-api-key": key}
        self._socket: socket.socket | None = None

    def get(
        self, path: str | bytes = "/v1/hello", headers: dict[str, str | bytes] | None = None
    ) -> Answer:
        """One GET. A connection that the gateway closed meanwhile is opened anew."""
        lines = [b"GET " + _bytes(path) + b" HTTP/1.1", b"host: api.example.test"]
        for name, value in (self._headers | (headers or {})).items():
            lines.append(name.encode() + b": " + _bytes(value))
        try:
            return self._exchange(b"\r\n".join(lines) + b"\r\n\r\n")
        except (BrokenPipeError, ConnectionResetError):
            self.close()
            raise

    def close(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _exchange(self, message: bytes) -> Answer:
        if self._socket is None:
            self._socket = socket.create_connection(self._address, timeout=10)
        self._socket.sendall(message)
        response = HTTPResponse(self._socket, method="GET")
        response.begin()
        body = response.read()
        headers = {name.lower(): value for name, value in response.getheaders()}
        closing = response.will_close
        response.close()
        if closing:
            self.close()
        return Answer(response.status, headers, body)


def _bytes(value: str | bytes) -> bytes:
    return value if isinstance(value, bytes) else value.encode()
