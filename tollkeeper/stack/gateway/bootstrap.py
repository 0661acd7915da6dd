"""The top of the configuration."""

from __future__ import annotations

from typing import TYPE_CHECKING

from envoy_data_plane.envoy.config.bootstrap import v3 as bootstrap_v3
from envoy_data_plane.envoy.config.core import v3 as core

from tollkeeper.stack.gateway.address import socket_address
from tollkeeper.stack.gateway.clusters import (
    api_cluster,
    courier_cluster,
    ext_authz_cluster,
)
from tollkeeper.stack.gateway.listener import listener
from tollkeeper.stack.gateway.overload import overload_manager

if TYPE_CHECKING:
    from tollkeeper.stack.gateway.gateway import Gateway


def bootstrap(gateway: Gateway) -> bootstrap_v3.Bootstrap:
    return bootstrap_v3.Bootstrap(
        node=core.Node(id="gateway", cluster="tollkeeper"),
        admin=bootstrap_v3.Admin(address=socket_address(gateway.admin)),
        static_resources=bootstrap_v3.BootstrapStaticResources(
            listeners=[listener(gateway)],
            clusters=[
                ext_authz_cluster(gateway.ext_authz),
                courier_cluster(gateway.courier),
                api_cluster(gateway.api),
            ],
        ),
        overload_manager=overload_manager(),
    )
