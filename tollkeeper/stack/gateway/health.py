"""When Envoy passes a server over, and how soon it uses it again.

Two things notice that a server is gone: calls that cannot reach it, at once, and the health check,
which also hears that a server drains. One thing brings it back: the first health check it passes.
"""

from __future__ import annotations

from datetime import timedelta

from envoy_data_plane.envoy.config.cluster import v3 as cluster
from envoy_data_plane.envoy.config.core import v3 as core
from envoy_data_plane.envoy.type import v3 as envoy_type

# How long a restarted server may stay unused. A tenth would be noise.
_INTERVAL = timedelta(milliseconds=500)
# As long as a check may take: a worker too slow for this is too slow for callers.
_TIMEOUT = timedelta(milliseconds=250)
# Long enough for the health check to reach its own verdict, which then decides.
_PASSED_OVER_FOR = timedelta(seconds=5)


def health_check(*, failures: int) -> core.HealthCheck:
    """Asks for the whole server's health, which every gRPC health service answers."""
    return core.HealthCheck(
        timeout=_TIMEOUT,
        interval=_INTERVAL,
        # Envoy's default is a minute before the first call: a server that starts after Envoy
        # would be passed over for as long.
        no_traffic_interval=_INTERVAL,
        unhealthy_threshold=failures,
        healthy_threshold=1,
        grpc_health_check=core.HealthCheckGrpcHealthCheck(),
    )


def unreachable_after(*, failures: int) -> cluster.OutlierDetection:
    """Only failures to reach a server count, in a row.

    Answers such as UNAVAILABLE do not: when Redis is down all workers give them, and passing over
    all of them helps nobody.
    """
    return cluster.OutlierDetection(
        interval=_INTERVAL,
        base_ejection_time=_PASSED_OVER_FOR,
        max_ejection_percent=100,
        split_external_local_origin_errors=True,
        consecutive_local_origin_failure=failures,
        enforcing_consecutive_local_origin_failure=100,
        enforcing_consecutive_5xx=0,
        enforcing_consecutive_gateway_failure=0,
        enforcing_success_rate=0,
        enforcing_local_origin_success_rate=0,
    )


def any_if_none_is_well() -> cluster.ClusterCommonLbConfig:
    """Below one per cent of the servers, that is when none is well, ask any of them.

    Envoy's default of 50 would send calls to dead servers as soon as more than half were dead.
    """
    return _balancing(panic_percent=1.0)


def none_if_none_is_well() -> cluster.ClusterCommonLbConfig:
    return _balancing(panic_percent=0.0)


def _balancing(*, panic_percent: float) -> cluster.ClusterCommonLbConfig:
    return cluster.ClusterCommonLbConfig(
        healthy_panic_threshold=envoy_type.Percent(value=panic_percent),
        # Envoy gathers changes of health for a second, so that of three workers that die together
        # two would stay in use for that long.
        update_merge_window=timedelta(0),
    )
