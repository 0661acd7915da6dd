"""Envoy's Authorization service as a gRPC client sees it, with a real Redis behind."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import grpc
import pytest
from envoy.service.auth.v3 import external_auth_pb2, external_auth_pb2_grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc
from redis import Redis
from redis.asyncio import Redis as AsyncRedis

from ext_authz.server import serve
from ext_authz.settings import ExtAuthzSettings
from tests.support.checks import check_request
from tests.support.frozen_gate import PARTITION, TENANT, FrozenGate, Limits
from tests.support.running import readiness, running, until_async
from tollkeeper.api.policy.v1.policy_pb2 import KeyPolicy, PolicyChange, Status
from tollkeeper.credential import mint
from tollkeeper.runtime.errors import OperatorError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

SERVICE = "envoy.service.auth.v3.Authorization"
KEY = mint("test", PARTITION)


@dataclass
class Server:
    channel: grpc.aio.Channel
    metrics: str

    async def check(self, request: Any) -> Any:
        stub = external_auth_pb2_grpc.AuthorizationStub(self.channel)
        return await stub.Check(request, timeout=5)


@pytest.fixture(params=["wire", "grpcio"])
async def server(
    request: pytest.FixtureRequest, redis_url: str, free_ports: Callable[[int], list[int]]
) -> AsyncIterator[Server]:
    with Redis.from_url(redis_url) as redis:
        gate = FrozenGate(redis)
        gate.configure(Limits(limit=5, included=5))
        policy = KeyPolicy(
            key_id="key_1",
            tenant_id=TENANT,
            key_sha256=KEY.sha256,
            status=Status.STATUS_ACTIVE,
            scopes=["*"],
        )
        gate.apply(PolicyChange(key=policy))
    listen, metrics = (f"127.0.0.1:{port}" for port in free_ports(2))
    settings = ExtAuthzSettings(
        ext_authz_listen=listen,
        ext_authz_metrics_listen=metrics,
        transport=request.param,
        redis_url=redis_url,
        drain_timeout_seconds=1,
        drain_notice_seconds=0,
    )
    async with (
        running(partial(serve, settings), metrics),
        grpc.aio.insecure_channel(listen) as channel,
    ):
        yield Server(channel, metrics)


def keyed(**options: Any) -> Any:
    return check_request(("x-api-key", KEY.text), **options)


async def test_a_good_key_is_allowed_and_the_rest_refused(server: Server) -> None:
    allowed = await server.check(keyed())
    assert allowed.status.code == 0
    assert allowed.WhichOneof("http_response") == "ok_response"
    unknown = await server.check(check_request(("x-api-key", mint("test", 3).text)))
    assert unknown.denied_response.status.code == 401


async def test_a_quota_admits_its_last_unit_and_no_more(server: Server) -> None:
    answers = [await server.check(keyed()) for _ in range(6)]
    assert [answer.status.code for answer in answers] == [0, 0, 0, 0, 0, 8]
    assert answers[-1].denied_response.status.code == 429


BAD = [
    ("no attributes at all, as a TCP check", external_auth_pb2.CheckRequest(), 16),
    ("no key", check_request(), 16),
    ("not UTF-8", check_request(("x-api-key", b"\xff")), 16),
    ("two slashes", keyed(path="//admin"), 3),
    ("dot segments", keyed(path="/a/../b"), 3),
    ("an escaped slash", keyed(path="/a%2fb"), 3),
    ("NUL", keyed(path="/a\x00"), 3),
    ("64 KB", keyed(path="/" + "a" * 65_535), 3),
]


@pytest.mark.parametrize(("bad", "code"), [case[1:] for case in BAD], ids=[c[0] for c in BAD])
async def test_bad_input_is_a_denial(server: Server, bad: Any, code: int) -> None:
    answer = await server.check(bad)
    assert answer.status.code == code
    assert answer.WhichOneof("http_response") == "denied_response"


async def test_an_undecodable_request_fails_the_rpc(server: Server) -> None:
    # Field 1, attributes, longer than the message.
    raw = server.channel.unary_unary(f"/{SERVICE}/Check")
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await raw(b"\x0a\xff\x01", timeout=5)
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT


async def test_a_route_that_costs_nonsense_fails_the_rpc(server: Server) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await server.check(keyed(extensions={"units": "many"}))
    assert caught.value.code() is grpc.StatusCode.UNAVAILABLE


async def test_without_redis_there_is_no_verdict_and_afterwards_there_is(
    server: Server, redis_url: str
) -> None:
    async with AsyncRedis.from_url(redis_url) as redis:
        # Holds every command, and this connection's next one too: its own end frees it.
        await redis.client_pause(1_500)
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await server.check(keyed())
    assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
    assert (caught.value.details() or "").startswith("no verdict: Redis")

    async def not_ready() -> bool:
        return (await readiness(server.metrics))[0] == 503

    async def allowed() -> bool:
        try:
            return (await server.check(keyed())).status.code == 0
        except grpc.aio.AioRpcError:
            return False

    await until_async(not_ready, 5)
    await until_async(allowed, 5)


async def test_health_answers_and_what_is_not_there_is_unimplemented(server: Server) -> None:
    health = health_pb2_grpc.HealthStub(server.channel)
    for name in ("", SERVICE):
        answer = await health.Check(health_pb2.HealthCheckRequest(service=name))
        assert answer.status == health_pb2.HealthCheckResponse.SERVING
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await health.Check(health_pb2.HealthCheckRequest(service="nobody"))
    assert caught.value.code() is grpc.StatusCode.NOT_FOUND
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await server.channel.unary_unary(f"/{SERVICE}/Guess")(b"", timeout=5)
    assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED


async def test_redis_unreachable_at_start_is_one_clear_line(
    free_ports: Callable[[int], list[int]],
) -> None:
    port = free_ports(1)[0]
    settings = ExtAuthzSettings(
        redis_url=f"redis://:hidden@127.0.0.1:{port}/0", start_timeout_seconds=0.5
    )
    with pytest.raises(OperatorError) as caught:
        await serve(settings, None)  # type: ignore[arg-type]
    assert str(caught.value).startswith(f"Redis does not answer at 127.0.0.1:{port}")
    assert "hidden" not in str(caught.value)
