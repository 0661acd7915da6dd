"""The listeners that are compared differ in nothing but the gate."""

from __future__ import annotations

from typing import Any

from bench.gateway import BenchGateway, Entrance
from tollkeeper.stack.gateway.ext_authz import FILTER_NAME

GATEWAY = BenchGateway(
    admin="127.0.0.1:1",
    api="127.0.0.1:2",
    entrances=[
        Entrance("none", "127.0.0.1:3", None),
        Entrance("wire_full", "127.0.0.1:4", "127.0.0.1:5"),
    ],
)


def _managers() -> dict[str, Any]:
    listeners: Any = GATEWAY.bootstrap().static_resources
    return {
        each.name: each.filter_chains[0].filters[0].typed_config.unpack()
        for each in listeners.listeners
    }


def test_without_the_gate_both_are_the_same() -> None:
    managers = _managers()
    gated = managers["wire_full"]
    gated.http_filters = [each for each in gated.http_filters if each.name != FILTER_NAME]
    assert gated == managers["none"]


def test_each_gate_is_asked_in_its_own_cluster() -> None:
    gates = [each for each in _managers()["wire_full"].http_filters if each.name == FILTER_NAME]
    asked = [each.typed_config.unpack().grpc_service.envoy_grpc.cluster_name for each in gates]
    assert asked == ["wire_full"]
    resources: Any = GATEWAY.bootstrap().static_resources
    assert [each.name for each in resources.clusters] == ["api", "wire_full"]


def test_the_api_answers_at_once_and_asks_nobody() -> None:
    manager = _managers()["api"]
    assert FILTER_NAME not in [each.name for each in manager.http_filters]
    assert manager.route_config.virtual_hosts[0].routes[0].direct_response.status == 200
