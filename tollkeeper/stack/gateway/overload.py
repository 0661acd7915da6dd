"""What Envoy refuses before it falls over."""

from __future__ import annotations

from datetime import timedelta

from envoy_data_plane.envoy.config.overload import v3 as overload
from envoy_data_plane.envoy.extensions.resource_monitors.downstream_connections import (
    v3 as downstream_connections,
)
from envoy_data_plane.envoy.extensions.resource_monitors.fixed_heap import v3 as fixed_heap
from envoy_data_plane.google.protobuf import Any

_HEAP = "envoy.resource_monitors.fixed_heap"
# 50,000 connections of about 40 KiB each; half would waste a common 4 GiB machine, double would
# not leave room for anything beside Envoy on it.
_HEAP_BYTES_MAX = 2 * 1024**3
_CONNECTIONS_MAX = 50_000


def overload_manager() -> overload.OverloadManager:
    return overload.OverloadManager(
        refresh_interval=timedelta(milliseconds=250),
        resource_monitors=[
            overload.ResourceMonitor(
                name=_HEAP,
                typed_config=Any.pack(
                    fixed_heap.FixedHeapConfig(max_heap_size_bytes=_HEAP_BYTES_MAX)
                ),
            ),
            overload.ResourceMonitor(
                name="envoy.resource_monitors.global_downstream_max_connections",
                typed_config=Any.pack(
                    downstream_connections.DownstreamConnectionsConfig(
                        max_active_downstream_connections=_CONNECTIONS_MAX
                    )
                ),
            ),
        ],
        actions=[
            _above("envoy.overload_actions.shrink_heap", 0.95),
            _above("envoy.overload_actions.stop_accepting_requests", 0.98),
        ],
    )


def _above(action: str, share_of_heap: float) -> overload.OverloadAction:
    return overload.OverloadAction(
        name=action,
        triggers=[
            overload.Trigger(name=_HEAP, threshold=overload.ThresholdTrigger(value=share_of_heap))
        ],
    )
