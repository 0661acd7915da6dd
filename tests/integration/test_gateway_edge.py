"""What a caller cannot forge, seen from both sides of a real Envoy: by ext_authz and by the API."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest
from aiohttp import web
from envoy.config.core.v3 import base_pb2
from envoy.service.auth.v3 import external_auth_pb2, external_auth_pb2_grpc

from tollkeeper.runtime.grpc_server import serve_grpc
from tollkeeper.runtime.probes import serve_http
from tollkeeper.stack.binaries import find_envoy
from tollkeeper.stack.gateway import Gateway, render
from tollkeeper.stack.http_probe import answers_ok

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

_START_SECONDS_MAX = 20.0
_POLL_SECONDS = 0.05


class Allower(external_auth_pb2_grpc.AuthorizationServicer):
    """Allows all, says `x-tollkeeper-tenant: ours`, and remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[dict[str, list[str]]] = []
        self.paths: list[str] = []

    async def Check(self, request: Any, context: object) -> Any:  # noqa: N802, ARG002 - gRPC's
        headers: dict[str, list[str]] = {}
        for header in request.attributes.request.http.header_map.headers:
            headers.setdefault(header.key, []).append(header.raw_value.decode())
        self.asked.append(headers)
        self.paths.append(request.attributes.request.http.path)
        answer = external_auth_pb2.CheckResponse()
        added = answer.ok_response.headers.add()
        added.header.key, added.header.value = "x-tollkeeper-tenant", "ours"
        added.append_action = base_pb2.HeaderValueOption.OVERWRITE_IF_EXISTS_OR_ADD
        return answer


class Edge:
    def __init__(self, gateway: str, allower: Allower, served: list[dict[str, str]]) -> None:
        self.gateway = gateway
        self.allower = allower
        self.served = served

    async def call(self, headers: dict[str, str]) -> tuple[dict[str, list[str]], dict[str, str]]:
        """The headers that ext_authz and the API saw."""
        async with aiohttp.ClientSession() as session:
            answer = await session.get(f"http://{self.gateway}/v1/hello", headers=headers)
            assert answer.status == 200
        return self.allower.asked[-1], self.served[-1]

    async def status(self, target: str) -> bytes:
        """The status line for a request target sent as it stands."""
        host, port = self.gateway.split(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(f"GET {target} HTTP/1.1\r\nHost: api\r\n\r\n".encode("latin-1"))
        status = await reader.readline()
        writer.close()
        return status.split()[1]


@pytest.fixture
async def edge(tmp_path: Path, free_ports: Callable[[int], list[int]]) -> AsyncIterator[Edge]:
    listen, admin, worker, courier, api = (f"127.0.0.1:{port}" for port in free_ports(5))
    gateway = Gateway(listen=listen, admin=admin, ext_authz=(worker,), courier=courier, api=api)
    file = tmp_path / "envoy.yaml"
    file.write_text(render(gateway))
    allower = Allower()
    served: list[dict[str, str]] = []

    async def echo(request: web.Request) -> web.Response:
        served.append({name.lower(): value for name, value in request.headers.items()})
        return web.Response()

    application = web.Application()
    application.router.add_get("/{path:.*}", echo)
    async with (
        serve_grpc(
            worker,
            lambda server: external_auth_pb2_grpc.add_AuthorizationServicer_to_server(
                allower, server
            ),
            [],
            drain_timeout_seconds=0,
        ),
        serve_http(application, api),
        _envoy(file, admin),
    ):
        yield Edge(listen, allower, served)


@pytest.mark.parametrize(
    ("forged", "value"),
    [
        ("x-request-id", "mine"),
        ("x-envoy-external-address", "6.6.6.6"),
        ("x-envoy-internal", "true"),
        ("x-envoy-retry-on", "5xx"),
        ("x-envoy-upstream-rq-timeout-ms", "1"),
        ("X-Tollkeeper-Tenant", "theirs"),
        ("x-tollkeeper-plan", "enterprise"),
    ],
)
async def test_a_forged_header_reaches_nobody(edge: Edge, forged: str, value: str) -> None:
    # Without x-forwarded-for, from loopback: what Envoy takes for an internal caller by default.
    for others in ({}, {"x-forwarded-for": "10.1.2.3"}):
        asked, served = await edge.call({forged: value, **others})
        assert value not in asked.get(forged.lower(), [])
        assert served.get(forged.lower()) != value


async def test_the_gate_and_the_api_see_one_request_id_and_the_true_caller(edge: Edge) -> None:
    asked, served = await edge.call({"x-forwarded-for": "8.8.8.8", "cookie": "secret=1"})
    assert asked["x-request-id"] == [served["x-request-id"]]
    assert asked["x-envoy-external-address"] == ["127.0.0.1"]
    assert "cookie" not in asked


async def test_what_ext_authz_adds_arrives_in_place_of_what_was_forged(edge: Edge) -> None:
    _, served = await edge.call({"x-tollkeeper-tenant": "theirs"})
    assert served["x-tollkeeper-tenant"] == "ours"


@pytest.mark.parametrize(
    ("target", "status", "path"),
    [
        ("//admin///users", b"200", "/admin/users"),
        ("/a/../b", b"200", "/b"),
        ("/a/%2e%2e/b", b"200", "/b"),
        ("/a%2Fb", b"400", None),
        ("/a%5Cb", b"400", None),
        ("/a%00b", b"400", None),
        ("/a\x00b", b"400", None),
        ("/a\xff", b"400", None),
        ("/a#b", b"400", None),
        ("/" + "a" * 65_536, b"431", None),
    ],
    ids=lambda value: repr(value[:20]) if isinstance(value, str) else None,
)
async def test_a_path_is_made_plain_or_refused(
    edge: Edge, target: str, status: bytes, path: str | None
) -> None:
    assert await edge.status(target) == status
    assert edge.allower.paths == ([path] if path else [])


@asynccontextmanager
async def _envoy(file: Path, admin: str) -> AsyncIterator[None]:
    command = [str(find_envoy().path), "--config-path", str(file), "--concurrency", "1"]
    log = file.with_suffix(".log")
    with log.open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            *command, "--disable-hot-restart", stderr=output
        )
    try:
        async with asyncio.timeout(_START_SECONDS_MAX):
            while not await answers_ok(admin, "/ready"):
                assert process.returncode is None, log.read_text()
                await asyncio.sleep(_POLL_SECONDS)
        yield
    finally:
        process.terminate()
        await process.wait()
