"""Whom Envoy calls: the ext_authz workers, the courier, the API."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from envoy_data_plane.envoy.config.cluster import v3 as cluster
from envoy_data_plane.envoy.config.core import v3 as core
from envoy_data_plane.envoy.config.endpoint import v3 as endpoint
from envoy_data_plane.envoy.extensions.upstreams.http import v3 as upstream_http
from envoy_data_plane.google.protobuf import Any

from tollkeeper.stack.gateway import access_log, ext_authz, health, route
from tollkeeper.stack.gateway.address import socket_address

if TYPE_CHECKING:
    from collections.abc import Sequence

_CONNECT_TIMEOUT = timedelta(milliseconds=250)
# A check that overflows is a 503 for a caller who did nothing wrong. Envoy's default of 1,024 is
# one burst; this many would have used up the machine's memory long before.
_CHECKS_MAX = 100_000
# Each call is one connection to an HTTP/1.1 API, and a streamed answer holds it for minutes.
_CALLS_MAX = 10_000
# Envoy's advice for an edge: what one slow API connection can make it hold.
_API_BUFFER_BYTES_MAX = 32 * 1024


def ext_authz_cluster(workers: Sequence[str]) -> cluster.Cluster:
    """One endpoint per worker: Envoy opens one HTTP/2 connection per thread and endpoint."""
    return cluster.Cluster(
        name=ext_authz.CLUSTER,
        type=cluster.ClusterDiscoveryType.STATIC,
        connect_timeout=_CONNECT_TIMEOUT,
        # The less busy of two: a worker that pauses gets less until it has caught up.
        lb_policy=cluster.ClusterLbPolicy.LEAST_REQUEST,
        load_assignment=_endpoints(ext_authz.CLUSTER, workers),
        circuit_breakers=_at_most(_CHECKS_MAX),
        # One lost packet or one pause is no outage. When no worker is well a caller gets a 503
        # either way, and a worker that came back is used at its first call.
        health_checks=[health.health_check(failures=2)],
        outlier_detection=health.unreachable_after(failures=3),
        common_lb_config=health.any_if_none_is_well(),
        typed_extension_protocol_options=_http2(),
    )


def courier_cluster(address: str) -> cluster.Cluster:
    """Access log entries are not acknowledged, so what is sent to a dead courier is lost.

    From Envoy 1.39 on, entries are kept while no courier is well, up to the log's buffer; hence
    nothing is tried in vain and the first failure counts.
    """
    return cluster.Cluster(
        name=access_log.CLUSTER,
        type=cluster.ClusterDiscoveryType.STATIC,
        connect_timeout=_CONNECT_TIMEOUT,
        load_assignment=_endpoints(access_log.CLUSTER, [address]),
        health_checks=[health.health_check(failures=1)],
        outlier_detection=health.unreachable_after(failures=1),
        common_lb_config=health.none_if_none_is_well(),
        typed_extension_protocol_options=_http2(),
    )


def api_cluster(address: str) -> cluster.Cluster:
    return cluster.Cluster(
        name=route.CLUSTER,
        type=cluster.ClusterDiscoveryType.STATIC,
        connect_timeout=timedelta(seconds=2),
        per_connection_buffer_limit_bytes=_API_BUFFER_BYTES_MAX,
        load_assignment=_endpoints(route.CLUSTER, [address]),
        circuit_breakers=_at_most(_CALLS_MAX),
        typed_extension_protocol_options=_http1(),
    )


def _endpoints(name: str, addresses: Sequence[str]) -> endpoint.ClusterLoadAssignment:
    return endpoint.ClusterLoadAssignment(
        cluster_name=name,
        endpoints=[
            endpoint.LocalityLbEndpoints(
                lb_endpoints=[
                    endpoint.LbEndpoint(endpoint=endpoint.Endpoint(address=socket_address(address)))
                    for address in addresses
                ]
            )
        ],
    )


def _at_most(calls: int) -> cluster.CircuitBreakers:
    return cluster.CircuitBreakers(
        thresholds=[
            cluster.CircuitBreakersThresholds(
                max_connections=calls, max_pending_requests=calls, max_requests=calls
            )
        ]
    )


def _http2() -> dict[str, Any]:
    explicit = upstream_http.HttpProtocolOptionsExplicitHttpConfig(
        # No HTTP/2 keepalive: gRPC servers answer pings on an idle connection with GOAWAY
        # too_many_pings. The health check notices a machine that vanished.
        http2_protocol_options=core.Http2ProtocolOptions()
    )
    return _protocol(upstream_http.HttpProtocolOptions(explicit_http_config=explicit))


def _http1() -> dict[str, Any]:
    explicit = upstream_http.HttpProtocolOptionsExplicitHttpConfig(
        http_protocol_options=core.Http1ProtocolOptions()
    )
    # Before servers close an idle connection themselves (Node.js after 5 s, aiohttp and nginx
    # after 75 s): a call sent into a closing connection is a 503.
    idle = core.HttpProtocolOptions(idle_timeout=timedelta(seconds=4))
    return _protocol(
        upstream_http.HttpProtocolOptions(
            explicit_http_config=explicit, common_http_protocol_options=idle
        )
    )


def _protocol(options: upstream_http.HttpProtocolOptions) -> dict[str, Any]:
    return {"envoy.extensions.upstreams.http.v3.HttpProtocolOptions": Any.pack(options)}
