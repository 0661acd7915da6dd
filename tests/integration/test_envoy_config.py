"""What the gateway promises, read back from the YAML that Envoy accepts."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from tollkeeper.runtime.errors import OperatorError
from tollkeeper.stack.binaries import find_envoy
from tollkeeper.stack.gateway import Gateway, render

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

WORKERS = tuple(f"127.0.0.1:{18_010 + number}" for number in range(4))


@pytest.fixture(scope="module")
def config() -> dict[str, Any]:
    return _parsed(Gateway())


@pytest.mark.parametrize(
    "gateway",
    [
        Gateway(),
        Gateway(ext_authz=WORKERS),
        Gateway(listen="[::1]:18000", admin="[::1]:18001", xff_num_trusted_hops=2),
    ],
    ids=["default", "four workers", "IPv6 behind two proxies"],
)
def test_envoy_accepts_the_rendering(gateway: Gateway, tmp_path: Path) -> None:
    file = tmp_path / "envoy.yaml"
    file.write_text(render(gateway))
    command = [str(find_envoy().path), "--mode", "validate", "--disable-hot-restart", "-c"]
    outcome = subprocess.run([*command, str(file)], capture_output=True, text=True, check=False)
    assert outcome.returncode == 0, outcome.stderr
    assert "deprecated" not in outcome.stderr.lower()


def test_no_verdict_is_never_an_allow(config: dict[str, Any]) -> None:
    ext_authz = _filters(config)["envoy.filters.http.ext_authz"]
    assert not ext_authz.get("failure_mode_allow", False)
    assert "filter_enabled" not in ext_authz
    assert "shadow_mode" not in ext_authz
    assert ext_authz["status_on_error"] == {"code": "ServiceUnavailable"}
    assert ext_authz["grpc_service"]["timeout"] == "0.250s"


def test_nothing_is_asked_twice(config: dict[str, Any]) -> None:
    # Neither a check, which would reserve twice, nor a call, which would be served twice.
    assert [name for name in _keys(config) if "retry" in name or "hedge" in name] == []


def test_no_route_is_without_ext_authz(config: dict[str, Any]) -> None:
    routes = [
        route
        for host in _connection_manager(config)["route_config"]["virtual_hosts"]
        for route in host["routes"]
    ]
    for route in routes:
        settings = route["typed_per_filter_config"]["envoy.filters.http.ext_authz"]
        assert settings["check_settings"]["context_extensions"] == {
            "metric": "api_calls",
            "units": "1",
        }
    assert "disabled" not in set(_keys(config))


def test_forged_identity_dies_before_ext_authz_speaks(config: dict[str, Any]) -> None:
    filters = _filters(config)
    assert list(filters) == [
        "envoy.filters.http.header_mutation",
        "envoy.filters.http.ext_authz",
        "envoy.filters.http.router",
    ]
    removed = [{"remove_on_match": {"key_matcher": _prefix("x-tollkeeper-")}}]
    mutations = filters["envoy.filters.http.header_mutation"]["mutations"]
    assert mutations == {"request_mutations": removed, "request_trailers_mutations": removed}


def test_the_gate_hears_what_it_reads_and_no_more(config: dict[str, Any]) -> None:
    ext_authz = _filters(config)["envoy.filters.http.ext_authz"]
    allowed = ext_authz["allowed_headers"]["patterns"]
    exact = {pattern["exact"] for pattern in allowed if "exact" in pattern}
    assert exact == {
        "authorization",
        "x-api-key",
        "content-type",
        "x-request-id",
        "x-envoy-external-address",
    }
    others = [pattern for pattern in allowed if "exact" not in pattern]
    assert others == [_prefix("x-tollkeeper-")]
    assert ext_authz["disallowed_headers"]["patterns"][0]["exact"] == "cookie"
    assert ext_authz["encode_raw_headers"] is True
    assert "with_request_body" not in ext_authz


def test_a_caller_chooses_neither_its_address_nor_its_request_id(config: dict[str, Any]) -> None:
    manager = _connection_manager(config)
    assert manager["use_remote_address"] is True
    assert manager["generate_request_id"] is True
    assert not manager.get("preserve_external_request_id", False)
    # Without a range Envoy takes all of 10.0.0.0/8 and its like for internal.
    assert manager["internal_address_config"]["cidr_ranges"] == [
        {"address_prefix": "255.255.255.255", "prefix_len": 32}
    ]
    assert not manager["request_id_extension"]["typed_config"]["pack_trace_reason"]


def test_all_see_the_same_path(config: dict[str, Any]) -> None:
    manager = _connection_manager(config)
    assert manager["normalize_path"] is True
    assert manager["merge_slashes"] is True
    assert manager["path_with_escaped_slashes_action"] == "REJECT_REQUEST"


def test_each_worker_is_an_endpoint_of_its_own() -> None:
    cluster = _clusters(_parsed(Gateway(ext_authz=WORKERS)))["ext_authz"]
    assert _addresses(cluster) == list(WORKERS)
    assert _speaks(cluster) == "http2_protocol_options"
    assert cluster["circuit_breakers"]["thresholds"][0]["max_requests"] == 100_000


def test_a_worker_that_came_back_is_used_within_a_second(config: dict[str, Any]) -> None:
    cluster = _clusters(config)["ext_authz"]
    check = cluster["health_checks"][0]
    assert check["interval"] == check["no_traffic_interval"] == "0.500s"
    assert check["healthy_threshold"] == 1
    balancing = cluster["common_lb_config"]
    assert balancing == {"healthy_panic_threshold": {"value": 1.0}, "update_merge_window": "0s"}


def test_every_call_reaches_the_access_log_and_none_is_sent_in_vain(config: dict[str, Any]) -> None:
    (log,) = _connection_manager(config)["access_log"]
    assert "filter" not in log
    common = log["typed_config"]["common_config"]
    assert common["log_name"] == "tollkeeper"
    assert common["grpc_service"] == {"envoy_grpc": {"cluster_name": "courier"}}
    courier = _clusters(config)["courier"]
    # There, and zero: absent would be Envoy's 50.
    assert courier["common_lb_config"]["healthy_panic_threshold"] == {}
    assert courier["outlier_detection"]["consecutive_local_origin_failure"] == 1


def test_the_admin_is_not_reached_from_elsewhere(config: dict[str, Any]) -> None:
    assert config["admin"]["address"]["socket_address"]["address"] == "127.0.0.1"
    with pytest.raises(OperatorError, match="must be a loopback address"):
        Gateway(admin="0.0.0.0:18001")


@pytest.mark.parametrize(
    ("fault", "line"),
    [
        ({"listen": "18000"}, "listen '18000' must be HOST:PORT"),
        ({"listen": "127.0.0.1:0"}, "listen '127.0.0.1:0' must be HOST:PORT"),
        ({"api": "127.0.0.1:65536"}, "api '127.0.0.1:65536' must be HOST:PORT"),
        ({"courier": "localhost:18070"}, "must begin with an IP address"),
        ({"ext_authz": ()}, "needs 1 to 100 workers, not 0"),
        ({"ext_authz": (WORKERS[0], WORKERS[0])}, "the same worker twice"),
        ({"xff_num_trusted_hops": -1}, "xff-num-trusted-hops cannot be -1"),
    ],
)
def test_a_faulty_gateway_is_one_clear_line(fault: dict[str, Any], line: str) -> None:
    with pytest.raises(OperatorError) as refused:
        Gateway(**fault)
    assert line in str(refused.value)
    assert "\n" not in str(refused.value)


def test_all_faults_are_named_together() -> None:
    with pytest.raises(OperatorError, match=r"listen 'x' .*; api 'y' "):
        Gateway(listen="x", api="y")


def _parsed(gateway: Gateway) -> dict[str, Any]:
    parsed: dict[str, Any] = yaml.safe_load(render(gateway))
    return parsed


def _connection_manager(config: dict[str, Any]) -> dict[str, Any]:
    (listener,) = config["static_resources"]["listeners"]
    (chain,) = listener["filter_chains"]
    (network_filter,) = chain["filters"]
    manager: dict[str, Any] = network_filter["typed_config"]
    return manager


def _filters(config: dict[str, Any]) -> dict[str, Any]:
    """In their order; without the type."""
    return {
        each["name"]: {key: value for key, value in each["typed_config"].items() if key != "@type"}
        for each in _connection_manager(config)["http_filters"]
    }


def _clusters(config: dict[str, Any]) -> dict[str, Any]:
    return {cluster["name"]: cluster for cluster in config["static_resources"]["clusters"]}


def _addresses(cluster: dict[str, Any]) -> list[str]:
    (locality,) = cluster["load_assignment"]["endpoints"]
    sockets = [each["endpoint"]["address"]["socket_address"] for each in locality["lb_endpoints"]]
    return [f"{socket['address']}:{socket['port_value']}" for socket in sockets]


def _speaks(cluster: dict[str, Any]) -> str:
    (options,) = cluster["typed_extension_protocol_options"].values()
    (protocol,) = options["explicit_http_config"]
    return str(protocol)


def _prefix(prefix: str) -> dict[str, Any]:
    return {"prefix": prefix, "ignore_case": True}


def _keys(value: object) -> Iterator[str]:
    """All field names, however deep."""
    if isinstance(value, dict):
        for name, inner in value.items():
            yield name
            yield from _keys(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _keys(inner)
