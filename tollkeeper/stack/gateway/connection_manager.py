"""How a caller's bytes become a request that can be trusted."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from envoy_data_plane.envoy.config.core import v3 as core
from envoy_data_plane.envoy.extensions.filters.http.router import v3 as router
from envoy_data_plane.envoy.extensions.filters.network.http_connection_manager import v3 as hcm
from envoy_data_plane.envoy.extensions.request_id.uuid import v3 as uuid
from envoy_data_plane.google.protobuf import Any

from tollkeeper.stack.gateway.access_log import access_log
from tollkeeper.stack.gateway.client_headers import client_headers
from tollkeeper.stack.gateway.ext_authz import ext_authz
from tollkeeper.stack.gateway.local_replies import local_replies
from tollkeeper.stack.gateway.route import route_configuration

if TYPE_CHECKING:
    from tollkeeper.stack.gateway.gateway import Gateway


def connection_manager(gateway: Gateway) -> hcm.HttpConnectionManager:
    escaped_slashes = hcm.HttpConnectionManagerPathWithEscapedSlashesAction
    server_header = hcm.HttpConnectionManagerServerHeaderTransformation
    return hcm.HttpConnectionManager(
        stat_prefix="gateway",
        codec_type=hcm.HttpConnectionManagerCodecType.AUTO,
        route_config=route_configuration(),
        # Order matters: forged headers go first, so that they die even where ext_authz is off,
        # and what ext_authz adds afterwards stays.
        http_filters=[client_headers(), ext_authz(), _router()],
        access_log=[access_log()],
        local_reply_config=local_replies(),
        use_remote_address=True,
        xff_num_trusted_hops=gateway.xff_num_trusted_hops,
        internal_address_config=_nobody_is_internal(),
        generate_request_id=True,
        preserve_external_request_id=False,
        request_id_extension=_request_id(),
        server_name="tollkeeper",
        server_header_transformation=server_header.OVERWRITE,
        normalize_path=True,
        merge_slashes=True,
        path_with_escaped_slashes_action=escaped_slashes.REJECT_REQUEST,
        common_http_protocol_options=_common_options(),
        http2_protocol_options=_http2_options(),
        max_request_headers_kb=60,
        # Headers must come soon; bodies and answers may stream for hours as long as they flow.
        request_headers_timeout=timedelta(seconds=10),
        stream_idle_timeout=timedelta(minutes=5),
    )


def _router() -> hcm.HttpFilter:
    return hcm.HttpFilter(name="envoy.filters.http.router", typed_config=Any.pack(router.Router()))


def _nobody_is_internal() -> hcm.HttpConnectionManagerInternalAddressConfig:
    # An internal caller keeps its own x-request-id and steers Envoy with x-envoy-* headers. Without
    # a range Envoy takes loopback and private networks for internal, so this names an address
    # that nobody can connect from.
    return hcm.HttpConnectionManagerInternalAddressConfig(
        cidr_ranges=[core.CidrRange(address_prefix="255.255.255.255", prefix_len=32)]
    )


def _request_id() -> hcm.RequestIdExtension:
    # ext_authz and the access log must see the same id: settlement joins them by it. Packing the
    # trace decision into it rewrites a digit on the way.
    return hcm.RequestIdExtension(
        typed_config=Any.pack(uuid.UuidRequestIdConfig(pack_trace_reason=False))
    )


def _common_options() -> core.HttpProtocolOptions:
    underscores = core.HttpProtocolOptionsHeadersWithUnderscoresAction
    return core.HttpProtocolOptions(
        idle_timeout=timedelta(minutes=15),
        # Some servers read x_tollkeeper_tenant and x-tollkeeper-tenant as one header.
        headers_with_underscores_action=underscores.REJECT_REQUEST,
    )


def _http2_options() -> core.Http2ProtocolOptions:
    # Envoy's advice for an edge: what one connection may have in flight and in memory.
    return core.Http2ProtocolOptions(
        max_concurrent_streams=100,
        initial_stream_window_size=64 * 1024,
        initial_connection_window_size=1024 * 1024,
    )
