"""Where a request goes and what it costs."""

from __future__ import annotations

from datetime import timedelta

from envoy_data_plane.envoy.config.route import v3 as route

from tollkeeper.stack.gateway.ext_authz import FILTER_NAME, context

CLUSTER = "api"


def route_configuration() -> route.RouteConfiguration:
    return route.RouteConfiguration(
        name="gateway",
        virtual_hosts=[
            route.VirtualHost(name="api", domains=["*"], routes=[_everything_is_one_call()])
        ],
    )


def _everything_is_one_call() -> route.Route:
    return route.Route(
        name="everything",
        match=route.RouteMatch(prefix="/"),
        route=route.RouteAction(
            cluster=CLUSTER,
            # None: Envoy's 15 seconds would cut answers that stream. A silent API is cut by the
            # connection manager's stream_idle_timeout, with a 504.
            timeout=timedelta(0),
        ),
        typed_per_filter_config={FILTER_NAME: context(metric="api_calls", units=1)},
    )
