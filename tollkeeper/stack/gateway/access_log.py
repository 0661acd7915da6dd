"""What the courier hears about each call once it has ended."""

from __future__ import annotations

from datetime import timedelta

from envoy_data_plane.envoy.config.accesslog import v3 as accesslog
from envoy_data_plane.envoy.config.core import v3 as core
from envoy_data_plane.envoy.extensions.access_loggers.grpc import v3 as grpc_access_log
from envoy_data_plane.google.protobuf import Any

CLUSTER = "courier"
LOG_NAME = "tollkeeper"

# A settlement is late by this much at most; the default second would show in usage figures.
_FLUSH_INTERVAL = timedelta(milliseconds=200)
# What each Envoy thread keeps while the courier is away, about 5,000 entries; more is dropped. It
# arrives as one message, and gRPC servers refuse more than 4 MiB unless told otherwise.
_BUFFER_BYTES_MAX = 3 * 1024 * 1024


def access_log() -> accesslog.AccessLog:
    """Without a filter: a call that failed is settled too, at zero."""
    return accesslog.AccessLog(
        name="envoy.access_loggers.http_grpc",
        typed_config=Any.pack(
            grpc_access_log.HttpGrpcAccessLogConfig(
                common_config=grpc_access_log.CommonGrpcAccessLogConfig(
                    log_name=LOG_NAME,
                    transport_api_version=core.ApiVersion.V3,
                    grpc_service=core.GrpcService(
                        envoy_grpc=core.GrpcServiceEnvoyGrpc(cluster_name=CLUSTER)
                    ),
                    buffer_flush_interval=_FLUSH_INTERVAL,
                    buffer_size_bytes=_BUFFER_BYTES_MAX,
                )
            )
        ),
    )
