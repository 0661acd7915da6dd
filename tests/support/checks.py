"""CheckRequests as Envoy sends them."""

from __future__ import annotations

from typing import Any

from envoy.service.auth.v3 import external_auth_pb2


def check_request(
    *headers: tuple[str, str | bytes],
    path: str = "/v1/hello",
    method: str = "GET",
    raw: bool = True,
    address: str = "203.0.113.9",
    extensions: dict[str, str] | None = None,
) -> Any:
    """`raw` as with `encode_raw_headers`, else the older map, where duplicates are joined."""
    request = external_auth_pb2.CheckRequest()
    attributes = request.attributes
    attributes.source.address.socket_address.address = address
    http = attributes.request.http
    http.method, http.path = method, path
    if raw:
        for name, value in headers:
            data = value if isinstance(value, bytes) else value.encode()
            http.header_map.headers.add(key=name, raw_value=data)
    else:
        for name, value in headers:
            text = value.decode() if isinstance(value, bytes) else value
            http.headers[name] = f"{http.headers[name]},{text}" if name in http.headers else text
    attributes.context_extensions.update(extensions or {})
    return request
