"""The fast transport is checked against the reference one: the same answers, byte for byte."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import grpc
from redis import Redis

from ext_authz.server import serve
from ext_authz.settings import ExtAuthzSettings
from tests.support.checks import check_request
from tests.support.frozen_gate import PARTITION, TENANT, FrozenGate, Limits
from tests.support.running import running
from tollkeeper.api.policy.v1.policy_pb2 import KeyPolicy, PolicyChange, Status
from tollkeeper.credential import mint

if TYPE_CHECKING:
    from collections.abc import Callable

    import pytest

KEY = mint("live", PARTITION)
REVOKED = mint("live", PARTITION)
GOOD = ("x-api-key", KEY.text)
# Without a quota no header counts the seconds to the end of the month.
LIMITS = Limits(burst_interval=1_000_000_000, burst_capacity=3, limit=-1, included=-1)

REQUESTS: list[tuple[str, bytes]] = [
    (name, request if isinstance(request, bytes) else request.SerializeToString())
    for name, request in {
        "allowed": check_request(GOOD),
        "allowed, the older header map": check_request(GOOD, raw=False),
        "allowed, forged headers": check_request(
            GOOD, ("x-tollkeeper-plan", "free"), ("x-tollkeeper-admin", "yes")
        ),
        "burst exceeded": check_request(GOOD),
        "burst exceeded, gRPC": check_request(GOOD, ("content-type", "application/grpc")),
        "no key": check_request(),
        "malformed key": check_request(("x-api-key", b"\xff")),
        "two keys": check_request(GOOD, ("authorization", f"Bearer {KEY.text}")),
        "ambiguous path": check_request(GOOD, path="//admin"),
        "unknown key": check_request(("x-api-key", mint("live", 3).text)),
        "revoked key": check_request(("x-api-key", REVOKED.text)),
        "not sold": check_request(GOOD, extensions={"metric": "teapots"}),
        "route of nonsense": check_request(GOOD, extensions={"units": "many"}),
        "no attributes": b"",
        "not a message": b"\x0a\xff\x01",
    }.items()
]


async def test_both_transports_give_the_same_bytes(
    redis_url: str, free_ports: Callable[[int], list[int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ext_authz.gate.DecisionIds", lambda: lambda: f"dec_{0:032x}")
    reference = await _answers("grpcio", redis_url, free_ports(2))
    fast = await _answers("wire", redis_url, free_ports(2))
    assert fast == reference
    statuses = [status for _, status, _ in reference]
    assert statuses.count("OK") == len(REQUESTS) - 2


async def _answers(
    transport: Any, redis_url: str, ports: list[int]
) -> list[tuple[str, str, bytes | str | None]]:
    """Of each request its name, the gRPC status, and the answer or the reason for none."""
    _know_keys(redis_url)
    listen, metrics = (f"127.0.0.1:{port}" for port in ports)
    settings = ExtAuthzSettings(
        transport=transport,
        ext_authz_listen=listen,
        ext_authz_metrics_listen=metrics,
        redis_url=redis_url,
        drain_timeout_seconds=1,
        drain_notice_seconds=0,
    )
    answers: list[tuple[str, str, bytes | str | None]] = []
    async with (
        running(partial(serve, settings), metrics),
        grpc.aio.insecure_channel(listen) as channel,
    ):
        check = channel.unary_unary("/envoy.service.auth.v3.Authorization/Check")
        for name, request in REQUESTS:
            try:
                answers.append((name, "OK", await check(request, timeout=5)))
            except grpc.aio.AioRpcError as error:
                answers.append((name, error.code().name, error.details()))
    return answers


def _know_keys(redis_url: str) -> None:
    with Redis.from_url(redis_url) as redis:
        redis.flushall()
        gate = FrozenGate(redis)
        gate.configure(LIMITS)
        for key_id, key, status in (
            ("key_1", KEY, Status.STATUS_ACTIVE),
            ("key_2", REVOKED, Status.STATUS_REVOKED),
        ):
            policy = KeyPolicy(
                key_id=key_id, tenant_id=TENANT, key_sha256=key.sha256, status=status, scopes=["*"]
            )
            gate.apply(PolicyChange(key=policy))
