"""From Envoy's CheckRequest to a Call. Pure; no rule is applied here."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from envoy.service.auth.v3 import external_auth_pb2

from ext_authz.call import Call
from ext_authz.decision import NoVerdictError

if TYPE_CHECKING:
    from collections.abc import Iterator

OWN_HEADER_PREFIX = "x-tollkeeper-"
API_KEY_HEADER = "x-api-key"
API_KEY_PARAMETER = "api_key"
_PARAMETER_SIGN = f"{API_KEY_PARAMETER}="
_OWN_HEADER_SIGN = OWN_HEADER_PREFIX.encode()
# A wrong route configuration must not reserve a tenant's whole quota in one call.
_UNITS_MAX = 1_000_000_000
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
    bearer, keys, request_id, content_type = _headers(http)
    credentials, carriers = keys, (API_KEY_HEADER,) * len(keys)
    if bearer:
        credentials, carriers = (*bearer, *keys), (*("authorization",) * len(bearer), *carriers)
    parameters: tuple[bytes, ...] = ()
    if _PARAMETER_SIGN in path:
        parameters = tuple(value for name, value in _query(path) if name == API_KEY_PARAMETER)
    extensions = attributes.context_extensions
    return Call(
        credentials=(*credentials, *parameters) if parameters else credentials,
        credential_carriers=carriers,
        credential_parameters=(API_KEY_PARAMETER,) if parameters else (),
        # Looked for in the whole message first: hardly any has one.
        spoofed_headers=_spoofed(http) if _OWN_HEADER_SIGN in raw else (),
        path=path,
        request_id=request_id[:_REQUEST_ID_LENGTH_MAX],
        is_grpc=content_type.startswith("application/grpc"),
        metric=extensions.get("metric", "api_calls"),
        units=_units(extensions.get("units", "1")),
        scope=extensions.get("scope", ""),
        attributes=attributes,
    )


def _headers(http: Any) -> tuple[tuple[bytes, ...], tuple[bytes, ...], str, str]:
    """Bearer tokens, API keys, request id and content type.

    With `encode_raw_headers` Envoy fills `header_map`, where duplicates are kept, else `headers`,
    where they are joined.
    """
    joined = http.headers
    if joined:
        key, authorization = joined.get(API_KEY_HEADER), joined.get("authorization")
        return (
            () if authorization is None else _bearer(authorization.encode()),
            () if key is None else (key.strip().encode(),),
            joined.get("x-request-id", ""),
            joined.get("content-type", ""),
        )
    bearer: tuple[bytes, ...] = ()
    keys: tuple[bytes, ...] = ()
    request_id = content_type = ""
    for header in http.header_map.headers:
        name = header.key
        if name == API_KEY_HEADER:
            keys += (_value(header).strip(),)
        elif name == "authorization":
            bearer += _bearer(_value(header))
        elif name == "x-request-id":
            request_id = _value(header).decode("ascii", "replace")
        elif name == "content-type":
            content_type = _value(header).decode("ascii", "replace")
    return bearer, keys, request_id, content_type


def _value(header: Any) -> bytes:
    value: bytes = header.raw_value or header.value.encode()
    return value


def _bearer(authorization: bytes) -> tuple[bytes, ...]:
    scheme, _, token = authorization.partition(b" ")
    # Other schemes are between the caller and the API.
    return (token.strip(),) if scheme.lower() == b"bearer" else ()


def _spoofed(http: Any) -> tuple[str, ...]:
    names = [header.key for header in http.header_map.headers] or list(http.headers)
    return tuple(name for name in names if name.startswith(OWN_HEADER_PREFIX))


def _query(path: str) -> Iterator[tuple[str, bytes]]:
    # Never urlsplit: it takes "//admin/users" for a host.
    for part in path.partition("?")[2].split("&"):
        name, _, value = part.partition("=")
        yield name, value.encode()


def _units(text: str) -> int:
    if text == "1":
        return 1
    # isdecimal alone admits digits of every script.
    if text.isascii() and text.isdecimal() and int(text) <= _UNITS_MAX:
        return int(text)
    raise NoVerdictError(f"route: units must be 0 to {_UNITS_MAX}, not {text!r}")
