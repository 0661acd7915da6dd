"""Where and how the gate listens: TCP or a Unix socket, plaintext or TLS, on both transports."""

from __future__ import annotations

import asyncio
import itertools
import re
import socket
import ssl
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import grpc
import pytest
from envoy.service.auth.v3 import external_auth_pb2_grpc
from redis import Redis

from ext_authz.server import serve
from ext_authz.settings import ExtAuthzSettings
from ext_authz.wire.server import serve_wire
from tests.support.certificates import SERVER_NAME, Authority, Pair
from tests.support.checks import check_request
from tests.support.frozen_gate import PARTITION, TENANT, FrozenGate, Limits
from tests.support.running import running
from tollkeeper.api.policy.v1.policy_pb2 import KeyPolicy, PolicyChange, Status
from tollkeeper.credential import mint
from tollkeeper.runtime.errors import OperatorError
from tollkeeper.runtime.grpc_server import serve_grpc
from tollkeeper.runtime.settings import split_address
from tollkeeper.runtime.unix_socket import on_address

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator
    from contextlib import AbstractAsyncContextManager

TRANSPORTS = ("wire", "grpcio")
KEY = mint("test", PARTITION)
WAYS = ("TLS", "mutual TLS", "Unix socket", "Unix socket with TLS")


@dataclass(frozen=True)
class Certificates:
    ca: Path
    server: Pair
    client: Pair
    stranger: Pair
    """Signed by an authority that the gate does not know."""


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    folder = tmp_path_factory.mktemp("certificates")
    ours, other = Authority(folder, "ours"), Authority(folder, "other")
    return Certificates(
        ours.certificate, ours.issue("server"), ours.issue("client"), other.issue("client")
    )


@pytest.fixture
def sockets() -> Iterator[Path]:
    # Not below `tmp_path`, whose names are too long for a socket.
    with TemporaryDirectory(prefix="tk-") as folder:
        yield Path(folder)


@dataclass(frozen=True)
class Place:
    """Makes gates and callers that belong together."""

    redis_url: str
    free_ports: Callable[[int], list[int]]
    sockets: Path
    certificates: Certificates

    def settings(self, transport: str, way: str) -> ExtAuthzSettings:
        listen, metrics = (f"127.0.0.1:{port}" for port in self.free_ports(2))
        server, ca = self.certificates.server, self.certificates.ca
        tls: dict[str, Any] = {}
        if "TLS" in way:
            tls |= {
                "ext_authz_tls_certificate": str(server.certificate),
                "ext_authz_tls_key": str(server.key),
            }
        if "mutual" in way:
            tls["ext_authz_tls_client_ca"] = str(ca)
        return ExtAuthzSettings(
            ext_authz_listen=f"unix:{self.sockets}/{transport}.sock" if "Unix" in way else listen,
            ext_authz_metrics_listen=metrics,
            transport=transport,
            redis_url=self.redis_url,
            drain_timeout_seconds=1,
            drain_notice_seconds=0,
            **tls,
        )

    def channel(self, settings: ExtAuthzSettings, client: Pair | None = None) -> grpc.aio.Channel:
        if settings.tls is None:
            return grpc.aio.insecure_channel(settings.ext_authz_listen)
        pair = (client.key.read_bytes(), client.certificate.read_bytes()) if client else (None,) * 2
        credentials = grpc.ssl_channel_credentials(self.certificates.ca.read_bytes(), *pair)
        name = [("grpc.ssl_target_name_override", SERVER_NAME)]
        return grpc.aio.secure_channel(settings.ext_authz_listen, credentials, name)


@pytest.fixture
def place(
    redis_url: str,
    free_ports: Callable[[int], list[int]],
    sockets: Path,
    certificates: Certificates,
) -> Place:
    with Redis.from_url(redis_url) as redis:
        gate = FrozenGate(redis)
        gate.configure(Limits())
        policy = KeyPolicy(
            key_id="key_1",
            tenant_id=TENANT,
            key_sha256=KEY.sha256,
            status=Status.STATUS_ACTIVE,
            scopes=["*"],
        )
        gate.apply(PolicyChange(key=policy))
    return Place(redis_url, free_ports, sockets, certificates)


@asynccontextmanager
async def running_gate(settings: ExtAuthzSettings) -> AsyncIterator[None]:
    async with running(partial(serve, settings), settings.ext_authz_metrics_listen):
        yield


def listener(settings: ExtAuthzSettings) -> AbstractAsyncContextManager[None]:
    """A transport without a gate: of those a process has one."""
    address, nothing = settings.ext_authz_listen, list[str]()
    if settings.transport == "wire":
        return on_address(address, serve_wire(address, {}, nothing, drain_timeout_seconds=0))
    server = serve_grpc(address, lambda _: None, nothing, drain_timeout_seconds=0)
    return on_address(address, server)


async def check(channel: grpc.aio.Channel, *headers: tuple[str, str]) -> Any:
    stub = external_auth_pb2_grpc.AuthorizationStub(channel)
    return await stub.Check(check_request(*headers), timeout=5)


REQUESTS = {
    "no key": (),
    "no such key": (("x-api-key", mint("test", 3).text),),
    "two keys": (("x-api-key", KEY.text), ("authorization", f"Bearer {KEY.text}")),
    "a good key": (("x-api-key", KEY.text),),
}


@pytest.mark.parametrize("way", WAYS)
async def test_both_transports_give_the_same_answers(place: Place, way: str) -> None:
    answers: dict[str, list[str]] = {}
    for transport in TRANSPORTS:
        settings = place.settings(transport, way)
        client = place.certificates.client if "mutual" in way else None
        async with running_gate(settings), place.channel(settings, client) as channel:
            answers[transport] = [
                _comparable(await check(channel, *headers)) for headers in REQUESTS.values()
            ]
    assert answers["wire"] == answers["grpcio"]
    assert "ok_response" in answers["wire"][-1]


@pytest.mark.parametrize("transport", TRANSPORTS)
@pytest.mark.parametrize("stranger", [False, True], ids=["no certificate", "a stranger's"])
async def test_who_cannot_prove_to_be_a_client_gets_no_answer(
    place: Place,
    transport: str,
    stranger: bool,  # noqa: FBT001 - one of two cases
) -> None:
    settings = place.settings(transport, "mutual TLS")
    client = place.certificates.stranger if stranger else None
    async with running_gate(settings):
        async with place.channel(settings, client) as channel:
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await check(channel)
            assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
        # Others are served as before.
        async with place.channel(settings, place.certificates.client) as channel:
            assert (await check(channel, ("x-api-key", KEY.text))).status.code == 0


@pytest.mark.parametrize("transport", TRANSPORTS)
@pytest.mark.parametrize("protocols", [["http/1.1"], []], ids=["http/1.1", "none"])
async def test_a_connection_that_did_not_negotiate_h2_is_closed(
    place: Place, transport: str, protocols: list[str]
) -> None:
    settings = place.settings(transport, "TLS")
    context = _client_context(place)
    if protocols:
        context.set_alpn_protocols(protocols)
    async with running_gate(settings):
        host, port = split_address(settings.ext_authz_listen)
        try:
            reader, writer = await asyncio.open_connection(
                host, port, ssl=context, server_hostname=SERVER_NAME
            )
        except OSError:
            return
        try:
            writer.write(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
            async with asyncio.timeout(5):
                assert await _all(reader) == b""
        finally:
            writer.close()


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_tls_1_2_is_the_floor_and_good_enough(place: Place, transport: str) -> None:
    settings = place.settings(transport, "TLS")
    context = _client_context(place)
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["h2"])
    async with running_gate(settings):
        host, port = split_address(settings.ext_authz_listen)
        _, writer = await asyncio.open_connection(
            host, port, ssl=context, server_hostname=SERVER_NAME
        )
        tls = writer.get_extra_info("ssl_object")
        assert (tls.version(), tls.selected_alpn_protocol()) == ("TLSv1.2", "h2")
        writer.close()
    assert settings.tls is not None
    assert settings.tls.context().minimum_version is ssl.TLSVersion.TLSv1_2


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_a_stale_socket_is_replaced_and_removed_at_the_end(
    place: Place, transport: str
) -> None:
    settings = place.settings(transport, "Unix socket")
    path = settings.ext_authz_listen.removeprefix("unix:")
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(path)
        dead.listen()
    assert _is_there(path)
    async with running_gate(settings), place.channel(settings) as channel:
        assert (await check(channel)).status.code == 16
    assert not _is_there(path)


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_a_socket_is_not_taken_from_who_listens_on_it(place: Place, transport: str) -> None:
    settings = place.settings(transport, "Unix socket")
    async with listener(settings), place.channel(settings) as channel:
        with pytest.raises(OperatorError, match="another process listens there"):
            async with listener(settings):
                pass
        await asyncio.wait_for(channel.channel_ready(), 5)


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_of_several_that_start_together_one_gets_the_socket(
    place: Place, transport: str
) -> None:
    settings = place.settings(transport, "Unix socket")
    stop = asyncio.Event()

    async def rival() -> None:
        async with listener(settings):
            await stop.wait()

    rivals = [asyncio.create_task(rival()) for _ in range(4)]
    for refused in itertools.islice(asyncio.as_completed(rivals), len(rivals) - 1):
        with pytest.raises(OperatorError, match="another process listens there"):
            await asyncio.wait_for(refused, 5)
    async with place.channel(settings) as channel:
        await asyncio.wait_for(channel.channel_ready(), 5)
    stop.set()
    ends = await asyncio.gather(*rivals, return_exceptions=True)
    assert ends.count(None) == 1


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_a_file_that_is_no_socket_is_left_alone(
    place: Place, transport: str, runner: asyncio.Runner
) -> None:
    settings = place.settings(transport, "Unix socket")
    file = place.sockets / f"{transport}.sock"
    file.write_text("precious")
    with pytest.raises(OperatorError, match="the file there is no socket"):
        runner.run(serve(settings, asyncio.Event()))
    assert file.read_text() == "precious"


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_a_missing_folder_is_one_clear_line(place: Place, transport: str) -> None:
    settings = place.settings(transport, "Unix socket").model_copy(
        update={"ext_authz_listen": f"unix:{place.sockets}/none/gate.sock"}
    )
    with pytest.raises(OperatorError, match="No such file or directory"):
        await serve(settings, asyncio.Event())


@dataclass(frozen=True)
class Faulty:
    """Variables without their prefix; `{…}` are files of the test's."""

    variables: dict[str, str]
    lines: list[str] = field(default_factory=list)


TLS_FAULTS = {
    "a missing file each": Faulty(
        {"CERTIFICATE": "/no/cert", "KEY": "/no/key", "CLIENT_CA": "/no/ca"},
        [
            "_CERTIFICATE: /no/cert: No such file or directory",
            "_KEY: /no/key: No such file or directory",
            "_CLIENT_CA: /no/ca: No such file or directory",
        ],
    ),
    "another's key": Faulty(
        {"CERTIFICATE": "{server}", "KEY": "{other_key}"}, ["is not the key of"]
    ),
    "no key": Faulty({"CERTIFICATE": "{server}"}, ["_KEY: must name the key of TOLLKEEPER_"]),
    "no certificate": Faulty(
        {"KEY": "{key}", "CLIENT_CA": "{ca}"},
        ["_KEY: needs TOLLKEEPER_", "_CLIENT_CA: needs TOLLKEEPER_"],
    ),
    "nothing of use inside": Faulty(
        {"CERTIFICATE": "{text}", "KEY": "{key}", "CLIENT_CA": "{text}"},
        ["_CERTIFICATE: {text} holds no certificate", "_CLIENT_CA: {text} holds no certificate"],
    ),
    "not a key": Faulty(
        {"CERTIFICATE": "{server}", "KEY": "{text}"}, ["no key that can be read without a password"]
    ),
}


@pytest.mark.parametrize("case", TLS_FAULTS.values(), ids=TLS_FAULTS.keys())
def test_faults_of_tls_are_named_together(
    monkeypatch: pytest.MonkeyPatch, certificates: Certificates, tmp_path: Path, case: Faulty
) -> None:
    text = tmp_path / "text.pem"
    text.write_text("nothing of use")
    files = {
        "server": certificates.server.certificate,
        "key": certificates.server.key,
        "other_key": certificates.stranger.key,
        "ca": certificates.ca,
        "text": text,
    }
    for name, value in case.variables.items():
        monkeypatch.setenv(f"TOLLKEEPER_EXT_AUTHZ_TLS_{name}", value.format(**files))
    with pytest.raises(OperatorError) as caught:
        ExtAuthzSettings.read()
    message = str(caught.value)
    assert "\n" not in message
    assert message.count("TOLLKEEPER_EXT_AUTHZ_TLS_") >= len(case.lines)
    for line in case.lines:
        assert line.format(**files) in message


def _comparable(answer: Any) -> str:
    """Without what differs from call to call: ids, and seconds until a limit is full again."""
    text = re.sub(r"dec_[0-9a-f]{32}", "dec_id", str(answer))
    return re.sub(r"(r|t)=\d+", r"\1=n", text)


def _client_context(place: Place) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=str(place.certificates.ca))


async def _all(reader: asyncio.StreamReader) -> bytes:
    """What the server sent before it closed, however it did that."""
    try:
        return await reader.read()
    except OSError:
        return b""


def _is_there(path: str) -> bool:
    return Path(path).exists()
