"""From Envoy's CheckRequest to a Call. Pure; no rule is applied here."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ext_authz.call import Call
from ext_authz.decision import NoVerdictError

if TYPE_CHECKING:
    from collections.abc import Iterator

OWN_HEADER_PREFIX = "x-tollkeeper-"
API_KEY_HEADER = "x-api-key"
API_KEY_PARAMETER = "api_key"
# A wrong route configuration must not reserve a tenant's whole quota in one call.
_UNITS_MAX = 1_000_000_000
# Long enough for any proxy's id; a longer one is somebody filling our stream.
_REQUEST_ID_LENGTH_MAX = 128


def read_call(request: Any) -> Call:
    """Read an `envoy.service.auth.v3.CheckRequest`.

    A check without HTTP attributes (a TCP one) becomes a call without credentials. Raises
    NoVerdictError when the route's own configuration makes no sense.
    """
    attributes = request.attributes
    http = attributes.request.http
    credentials: list[bytes] = []
    carriers: list[str] = []
    spoofed: list[str] = []
    request_id, content_type = b"", b""
    for name, value in _headers(http):
        if name == "authorization":
            scheme, _, token = value.partition(b" ")
            # Other schemes are between the caller and the API.
            if scheme.lower() == b"bearer":
                credentials.append(token.strip())
                carriers.append(name)
        elif name == API_KEY_HEADER:
            credentials.append(value.strip())
            carriers.append(name)
        elif name == "x-request-id":
            request_id = value
        elif name == "content-type":
            content_type = value
        elif name.startswith(OWN_HEADER_PREFIX):
            spoofed.append(name)
    parameters = [value for name, value in _query(http.path) if name == API_KEY_PARAMETER]
    extensions = attributes.context_extensions
    return Call(
        credentials=(*credentials, *parameters),
        credential_carriers=tuple(carriers),
        credential_parameters=(API_KEY_PARAMETER,) if parameters else (),
        spoofed_headers=tuple(spoofed),
        path=http.path,
        method=http.method,
        client_address=attributes.source.address.socket_address.address,
        request_id=request_id[:_REQUEST_ID_LENGTH_MAX].decode("ascii", "replace"),
        is_grpc=content_type.startswith(b"application/grpc"),
        metric=extensions.get("metric", "api_calls"),
        units=_units(extensions.get("units", "1")),
        scope=extensions.get("scope", ""),
    )


def _headers(http: Any) -> Iterator[tuple[str, bytes]]:
    """With `encode_raw_headers` Envoy fills `header_map`, else `headers`."""
    for header in http.header_map.headers:
        yield header.key, header.raw_value or header.value.encode()
    for name, value in http.headers.items():
        yield name, value.encode()


def _query(path: str) -> Iterator[tuple[str, bytes]]:
    # Never urlsplit: it takes "//admin/users" for a host.
    for part in path.partition("?")[2].split("&"):
        name, _, value = part.partition("=")
        yield name, value.encode()


def _units(text: str) -> int:
    # isdecimal alone admits digits of every script.
    if text.isascii() and text.isdecimal() and int(text) <= _UNITS_MAX:
        return int(text)
    raise NoVerdictError(f"route: units must be 0 to {_UNITS_MAX}, not {text!r}")
