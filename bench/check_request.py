"""The check that every figure is about: what Envoy sends for a common API call with a key."""

from __future__ import annotations

from typing import Any

from envoy.service.auth.v3 import external_auth_pb2

METHOD = f"/{external_auth_pb2.DESCRIPTOR.services_by_name['Authorization'].full_name}/Check"
PATH = "/v1/orders/8412?expand=lines"
# What the caller sends; Envoy makes the others.
HTTP_HEADERS = {
    "accept": "application/json",
    "accept-encoding": "gzip, deflate, br",
    "accept-language": "en-GB,en;q=0.9",
    "cache-control": "no-cache",
    "content-type": "application/json",
    "user-agent": "orders-sync/4.2.10 (linux; x86_64) python-httpx/0.28 CPython/3.11.9",
    "x-client-version": "2024-11-05",
}
_ENVOY_HEADERS = {
    ":authority": "api.example.com",
    ":method": "GET",
    ":path": PATH,
    ":scheme": "https",
    "x-forwarded-for": "203.0.113.9",
    "x-forwarded-proto": "https",
    "x-request-id": "5b0c1a7e-2f6d-4e38-9d57-3c8a61f0b924",
}


def check_request(key: str) -> Any:
    """`envoy.service.auth.v3.CheckRequest` with one `x-api-key`."""
    request = external_auth_pb2.CheckRequest()
    attributes = request.attributes
    attributes.source.address.socket_address.address = "203.0.113.9"
    attributes.source.address.socket_address.port_value = 51_724
    attributes.destination.address.socket_address.address = "10.0.0.5"
    attributes.destination.address.socket_address.port_value = 18_000
    attributes.context_extensions.update({"metric": "api_calls", "units": "1"})
    http = attributes.request.http
    http.id = "4611686018427387904"
    http.method = "GET"
    http.path = PATH
    http.host = "api.example.com"
    http.scheme = "https"
    http.protocol = "HTTP/1.1"
    http.headers.update({**_ENVOY_HEADERS, **HTTP_HEADERS, "x-api-key": key})
    return request


def grpc_message(request: Any) -> bytes:
    """As it travels: not compressed, then the length, then the message."""
    data: bytes = request.SerializeToString(deterministic=True)
    return b"\0" + len(data).to_bytes(4, "big") + data
