"""A call at the gate, in our own words."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(slots=True)
class Call:
    """What the gate knows of a request before it asks Redis. Not frozen, see `Allowed`.

    `credentials` are all that were presented, undecoded; `credential_carriers` and
    `credential_parameters` name the headers and query parameters they came in, to be removed on
    the way to the API.
    """

    credentials: tuple[bytes, ...]
    credential_carriers: tuple[str, ...]
    credential_parameters: tuple[str, ...]
    spoofed_headers: tuple[str, ...]
    """`x-tollkeeper-*` headers that the client sent."""
    path: str
    request_id: str
    is_grpc: bool
    metric: str
    units: int
    scope: str
    """What the route asks of the key; empty: nothing."""
    attributes: Any = field(compare=False)
    """Envoy's own words, for what only a log asks."""

    @property
    def method(self) -> str:
        return str(self.attributes.request.http.method)

    @property
    def client_address(self) -> str:
        return str(self.attributes.source.address.socket_address.address)
