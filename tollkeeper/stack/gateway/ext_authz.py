"""The filter that asks Tollkeeper about every request, and what it tells it."""

from __future__ import annotations

from datetime import timedelta

from envoy_data_plane.envoy.config.core import v3 as core
from envoy_data_plane.envoy.extensions.filters.http.ext_authz import v3 as ext_authz_v3
from envoy_data_plane.envoy.extensions.filters.network.http_connection_manager import v3 as hcm
from envoy_data_plane.envoy.type import v3 as envoy_type
from envoy_data_plane.envoy.type.matcher import v3 as matcher
from envoy_data_plane.google.protobuf import Any

from tollkeeper.stack.gateway.client_headers import IDENTITY_PREFIX

FILTER_NAME = "envoy.filters.http.ext_authz"
CLUSTER = "ext_authz"

# A check takes under a millisecond and gives up on Redis after 50 ms, so only a stuck worker is
# this late. Half would cut off checks on a busy machine; double would only let callers wait.
_TIMEOUT = timedelta(milliseconds=250)


def ext_authz() -> hcm.HttpFilter:
    return hcm.HttpFilter(
        name=FILTER_NAME,
        typed_config=Any.pack(
            ext_authz_v3.ExtAuthz(
                transport_api_version=core.ApiVersion.V3,
                # No retry policy here nor in the service: a check asked twice reserves twice.
                grpc_service=core.GrpcService(
                    envoy_grpc=core.GrpcServiceEnvoyGrpc(cluster_name=CLUSTER),
                    timeout=_TIMEOUT,
                ),
                stat_prefix="tollkeeper",
                failure_mode_allow=False,
                status_on_error=envoy_type.HttpStatus(
                    code=envoy_type.StatusCode.ServiceUnavailable
                ),
                validate_mutations=True,
                clear_route_cache=False,
                charge_cluster_response_stats=False,
                include_peer_certificate=False,
                encode_raw_headers=True,
                allowed_headers=matcher.ListStringMatcher(patterns=_read_by_the_gate()),
                disallowed_headers=matcher.ListStringMatcher(patterns=[_exact("cookie")]),
            )
        ),
    )


def context(metric: str, units: int) -> Any:
    """What a route says to ext_authz about the calls that match it."""
    return Any.pack(
        ext_authz_v3.ExtAuthzPerRoute(
            check_settings=ext_authz_v3.CheckSettings(
                context_extensions={"metric": metric, "units": str(units)}
            )
        )
    )


def _read_by_the_gate() -> list[matcher.StringMatcher]:
    return [
        _exact("authorization"),
        _exact("x-api-key"),
        _exact("content-type"),
        _exact("x-request-id"),
        # The caller's address after xff_num_trusted_hops, written by Envoy over what a caller
        # sent. A check's own source.address is always whoever connected: the last proxy.
        _exact("x-envoy-external-address"),
        # None of a caller's is left here, unless someone moved the filters: then the gate sees
        # them and removes them itself.
        matcher.StringMatcher(prefix=IDENTITY_PREFIX, ignore_case=True),
    ]


def _exact(name: str) -> matcher.StringMatcher:
    return matcher.StringMatcher(exact=name, ignore_case=True)
