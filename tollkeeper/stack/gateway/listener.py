"""The port that callers reach."""

from __future__ import annotations

from typing import TYPE_CHECKING

from envoy_data_plane.envoy.config.listener import v3 as listener_v3
from envoy_data_plane.google.protobuf import Any

from tollkeeper.stack.gateway.address import socket_address
from tollkeeper.stack.gateway.connection_manager import connection_manager

if TYPE_CHECKING:
    from tollkeeper.stack.gateway.gateway import Gateway

# Envoy's advice for an edge: what one slow caller can make it hold.
BUFFER_BYTES_MAX = 32 * 1024


def listener(gateway: Gateway) -> listener_v3.Listener:
    return listener_v3.Listener(
        name="gateway",
        address=socket_address(gateway.listen),
        per_connection_buffer_limit_bytes=BUFFER_BYTES_MAX,
        filter_chains=[
            listener_v3.FilterChain(
                filters=[
                    listener_v3.Filter(
                        name="envoy.filters.network.http_connection_manager",
                        typed_config=Any.pack(connection_manager(gateway)),
                    )
                ]
            )
        ],
    )
