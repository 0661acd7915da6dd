"""One Envoy with a listener for each gate, alike but for the gate, and one without any.

The configuration is the product's own, with two things changed: the access log is off, because no
courier runs here, and the API is a listener of the same Envoy that answers at once.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any, cast

import orjson

# Comes first: it quiets a warning that the library beneath it gives when it is loaded.
import tollkeeper.stack.gateway as product  # isort: split

from envoy_data_plane.envoy.config.bootstrap import v3 as bootstrap_v3
from envoy_data_plane.envoy.config.route import v3 as route
from envoy_data_plane.google import protobuf

from tollkeeper.stack.binaries import find_envoy
from tollkeeper.stack.gateway.address import socket_address
from tollkeeper.stack.gateway.clusters import api_cluster, ext_authz_cluster
from tollkeeper.stack.gateway.connection_manager import connection_manager
from tollkeeper.stack.gateway.ext_authz import FILTER_NAME
from tollkeeper.stack.gateway.listener import listener
from tollkeeper.stack.gateway.overload import overload_manager
from tollkeeper.stack.http_probe import answers_ok
from tollkeeper.stack.part import Part

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from betterproto2 import Casing
    from envoy_data_plane.envoy.config.cluster import v3 as cluster
    from envoy_data_plane.envoy.config.listener import v3 as listener_v3
    from envoy_data_plane.envoy.extensions.filters.network.http_connection_manager import v3 as hcm

# The others need the machine's two cores as well.
_THREADS = 1


@dataclass(frozen=True)
class Entrance:
    """A listener of Envoy, and the address of its gate: None for the one without."""

    name: str
    listen: str
    gate: str | None


@dataclass(frozen=True)
class BenchGateway:
    admin: str
    api: str
    entrances: Sequence[Entrance]

    def part(self, configuration: Path) -> Part:
        """Writes the configuration, as JSON, which Envoy also reads."""
        casing = cast("Casing", _as_in_the_proto_file)
        configuration.write_bytes(orjson.dumps(self.bootstrap().to_dict(casing=casing)))
        return Part(
            name="envoy",
            address=self.admin,
            command=[
                str(find_envoy().path),
                *("--config-path", str(configuration)),
                *("--concurrency", str(_THREADS)),
                *("--log-level", "warning"),
                "--disable-hot-restart",
            ],
            answers=partial(answers_ok, self.admin, "/ready"),
        )

    def bootstrap(self) -> bootstrap_v3.Bootstrap:
        gates = {entrance.name: entrance.gate for entrance in self.entrances if entrance.gate}
        return bootstrap_v3.Bootstrap(
            admin=bootstrap_v3.Admin(address=socket_address(self.admin)),
            static_resources=bootstrap_v3.BootstrapStaticResources(
                listeners=[*map(self._entrance, self.entrances), self._api()],
                clusters=[
                    api_cluster(self.api),
                    *(_gate_cluster(name, address) for name, address in gates.items()),
                ],
            ),
            overload_manager=overload_manager(),
        )

    def _entrance(self, entrance: Entrance) -> listener_v3.Listener:
        def change(manager: hcm.HttpConnectionManager) -> hcm.HttpConnectionManager:
            filters = [
                _asking(entrance.name, each) if each.name == FILTER_NAME else each
                for each in manager.http_filters
                if entrance.gate or each.name != FILTER_NAME
            ]
            return replace(manager, http_filters=filters)

        return self._listener(entrance.name, entrance.listen, change)

    def _api(self) -> listener_v3.Listener:
        def change(manager: hcm.HttpConnectionManager) -> hcm.HttpConnectionManager:
            answers = route.VirtualHost(name="api", domains=["*"], routes=[_answer_at_once()])
            return replace(
                manager,
                http_filters=manager.http_filters[-1:],
                route_config=route.RouteConfiguration(name="api", virtual_hosts=[answers]),
            )

        return self._listener("api", self.api, change)

    def _listener(
        self,
        name: str,
        listen: str,
        change: Callable[[hcm.HttpConnectionManager], hcm.HttpConnectionManager],
    ) -> listener_v3.Listener:
        gateway = product.Gateway(listen=listen, admin=self.admin, api=self.api)
        made = replace(listener(gateway), name=name)
        manager = change(replace(connection_manager(gateway), access_log=[]))
        made.filter_chains[0].filters[0].typed_config = protobuf.Any.pack(manager)
        return made


def _asking(cluster_name: str, http_filter: hcm.HttpFilter) -> hcm.HttpFilter:
    packed: Any = http_filter.typed_config
    config = packed.unpack()
    config.grpc_service.envoy_grpc.cluster_name = cluster_name
    return replace(http_filter, typed_config=protobuf.Any.pack(config))


def _gate_cluster(name: str, address: str) -> cluster.Cluster:
    made: Any = ext_authz_cluster([address])
    made.name = made.load_assignment.cluster_name = name
    return cast("cluster.Cluster", made)


def _answer_at_once() -> route.Route:
    return route.Route(
        match=route.RouteMatch(prefix="/"),
        direct_response=route.DirectResponseAction(status=200),
    )


def _as_in_the_proto_file(field: str) -> str:
    # betterproto's own casings turn some names into ones that Envoy refuses.
    return field
