"""rediss:// to a server that speaks TLS: here a relay that ends it, before a real Redis."""

from __future__ import annotations

import ssl
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest

from ext_authz.redis.masters import open_masters
from ext_authz.redis_client import open_redis
from tests.integration.redis.witness import Crowd, ask
from tests.support.certificates import Authority
from tests.support.relay import relay_to
from tollkeeper.runtime.errors import OperatorError
from tollkeeper.runtime.settings import split_address

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from tests.support.relay import Relay


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("certificates"), "authority")


@asynccontextmanager
async def tls_before(redis_url: str, authority: Authority) -> AsyncIterator[Relay]:
    """It asks whoever comes for a certificate of the same authority."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    pair = authority.issue("server")
    context.load_cert_chain(pair.certificate, pair.key)
    context.load_verify_locations(authority.certificate)
    context.verify_mode = ssl.CERT_REQUIRED
    host, port = split_address(redis_url.rpartition("@")[2].removesuffix("/0"))
    async with relay_to(host, port, context) as relay:
        yield relay


def url(relay: Relay, authority: Path, **more: str | Path) -> str:
    # The certificate is for a name, and we go by the address.
    options = {"ssl_ca_certs": authority, "ssl_check_hostname": "false", **more}
    query = "&".join(f"{name}={value}" for name, value in options.items())
    return f"rediss://:secret@127.0.0.1:{relay.port}/0?{query}"


async def test_commands_go_over_tls_with_a_client_certificate(
    redis_url: str, authority: Authority
) -> None:
    own = authority.issue("client")
    async with tls_before(redis_url, authority) as relay:
        address = url(
            relay, authority.certificate, ssl_certfile=own.certificate, ssl_keyfile=own.key
        )
        async with (
            open_masters(address, timeout_seconds=1, wait_seconds=5, scripts=[]) as masters,
            open_redis(address, timeout_seconds=1, wait_seconds=5) as redis,
        ):
            assert await ask(masters, "SET", "tk:by", "tls") == b"OK"
            assert await redis.get("tk:by") == b"tls"
            async with Crowd(masters) as crowd:
                await crowd.until_answered_again()
                await relay.cut()
                await relay.open()
                await crowd.until_answered_again()
            crowd.assert_all_heard(within_seconds=2)


async def test_a_stranger_in_redis_place_gets_no_password(
    redis_url: str, authority: Authority, tmp_path: Path
) -> None:
    other = Authority(tmp_path, "other")
    async with tls_before(redis_url, authority) as relay:
        for address in (
            url(relay, other.certificate),
            url(relay, authority.certificate, ssl_check_hostname="true"),
        ):
            with pytest.raises(OperatorError, match="certificate verify failed"):
                async with open_masters(address, timeout_seconds=1, wait_seconds=1, scripts=[]):
                    pass
        assert relay.said(b"AUTH") == 0
