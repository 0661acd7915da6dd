"""From Envoy's CheckRequest to a Call. Pure; no rule is applied here."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from envoy.service.auth.v3 import external_auth_pb2

from ext_authz.call import Call
from ext_authz.decision import NoVerdictError

if TYPE_CHECKING:
    from collections.abc import Iterator

OWN_HEADER_PREFIX = "x-tollkeeper-"
API_KEY_HEADER = "x-api-key"
API_KEY_PARAMETER = "api_key"
# As many as a request may carry before it is refused for carrying more than one.
_KEY_CARRIERS = (API_KEY_HEADER,)
_PARAMETER_SIGN = f"{API_KEY_PARAMETER}="
_OWN_HEADER_SIGN = OWN_HEADER_PREFIX.encode()
# A wrong route configuration must not reserve a tenant's whole quota in one call.
_UNITS_MAX = 1_000_000_000
# As in the plan catalogue.
_METRIC_LENGTH_MAX = 64
# Long enough for any proxy's id; a longer one is somebody filling our stream.
_REQUEST_ID_LENGTH_MAX = 128


def read_call(raw: bytes) -> Call:
    """Read a serialised `envoy.service.auth.v3.CheckRequest`.

    A check without HTTP attributes (a TCP one) becomes a call without credentials. Raises
    DecodeError, or NoVerdictError when the route's own configuration makes no sense.
    """
    attributes = external_auth_pb2.CheckRequest.FromString(raw).attributes
    http = attributes.request.http
    path = http.path
    joined = http.headers
    bearer, keys, spoofed, request_id, content_type = (
        _joined_headers(joined, raw) if joined else _raw_headers(http.header_map.headers)
    )
    credentials, carriers = keys, _KEY_CARRIERS[: len(keys)]
    if bearer:
        credentials = (*bearer, *keys)
        carriers = (*("authorization",) * len(bearer), *carriers)
    parameters: tuple[bytes, ...] = ()
    if _PARAMETER_SIGN in path or ("%" in path and "?" in path):
        parameters = tuple(_query_keys(path))
        credentials = (*credentials, *parameters)
    metric, units, scope = "api_calls", 1, ""
    extensions = attributes.context_extensions
    if extensions:
        metric = _metric(extensions.get("metric", metric))
        units = _units(extensions.get("units", "1"))
        scope = extensions.get("scope", "")
    return Call(
        credentials,
        carriers,
        (API_KEY_PARAMETER,) if parameters else (),
        spoofed,
        path,
        request_id[:_REQUEST_ID_LENGTH_MAX],
        content_type.startswith("application/grpc"),
        metric,
        units,
        scope,
        attributes,
    )


_Headers = tuple[tuple[bytes, ...], tuple[bytes, ...], tuple[str, ...], str, str]
"""Bearer tokens, API keys, forged headers, request id, content type."""


def _joined_headers(headers: Any, raw: bytes) -> _Headers:
    """Envoy's usual form: a map, where duplicates are joined."""
    key, authorization = headers.get(API_KEY_HEADER), headers.get("authorization")
    spoofed: tuple[str, ...] = ()
    # Looked for in the whole message first: hardly any has one.
    if _OWN_HEADER_SIGN in raw:
        spoofed = tuple(name for name in headers if name.startswith(OWN_HEADER_PREFIX))
    return (
        () if authorization is None else _bearer(authorization.encode()),
        () if key is None else (key.strip().encode(),),
        spoofed,
        headers.get("x-request-id", ""),
        headers.get("content-type", ""),
    )


def _raw_headers(headers: Any) -> _Headers:
    """With `encode_raw_headers`: a list, where duplicates are kept."""
    bearer: tuple[bytes, ...] = ()
    keys: tuple[bytes, ...] = ()
    spoofed: tuple[str, ...] = ()
    request_id = content_type = ""
    for header in headers:
        name = header.key
        if name == API_KEY_HEADER:
            keys += (_value(header).strip(),)
        elif name == "authorization":
            bearer += _bearer(_value(header))
        elif name == "x-request-id":
            request_id = _value(header).decode("ascii", "replace")
        elif name == "content-type":
            content_type = _value(header).decode("ascii", "replace")
        elif name.startswith(OWN_HEADER_PREFIX):
            spoofed += (name,)
    return bearer, keys, spoofed, request_id, content_type


def _value(header: Any) -> bytes:
    value: bytes = header.raw_value or header.value.encode()
    return value


def _bearer(authorization: bytes) -> tuple[bytes, ...]:
    scheme, _, token = authorization.partition(b" ")
    # Other schemes are between the caller and the API.
    return (token.strip(),) if scheme.lower() == b"bearer" else ()


def _query_keys(path: str) -> Iterator[bytes]:
    # Never urlsplit: it takes "//admin/users" for a host.
    for part in path.partition("?")[2].split("&"):
        name, _, value = part.partition("=")
        if name == API_KEY_PARAMETER:
            yield value.encode()
        elif "%" in name and unquote(name) == API_KEY_PARAMETER:
            # The API would read it as a key, and Envoy cannot remove it: no key that we accept.
            yield b""


def _metric(name: str) -> str:
    if 0 < len(name) <= _METRIC_LENGTH_MAX:
        return name
    raise NoVerdictError(f"route: a metric's name has 1 to {_METRIC_LENGTH_MAX} characters")


def _units(text: str) -> int:
    if text == "1":
        return 1
    # isdecimal alone admits digits of every script.
    # And what has more digits than the largest need not be counted.
    short = len(text) <= len(str(_UNITS_MAX))
    if short and text.isascii() and text.isdecimal() and int(text) <= _UNITS_MAX:
        return int(text)
    raise NoVerdictError(f"route: units must be 0 to {_UNITS_MAX}, not {text!r}")
