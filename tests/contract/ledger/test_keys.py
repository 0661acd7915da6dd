from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import pytest
from grpc import StatusCode

from tests.contract.ledger.statuses import refused
from tests.support.ledger_process import moment, query
from tollkeeper.api.ledger.v1 import keys_pb2 as api
from tollkeeper.credential import parse

if TYPE_CHECKING:
    from tests.support.ledger_process import RunningLedger


async def test_the_secret_is_shown_once_and_stored_as_a_hash_only(ledger: RunningLedger) -> None:
    tenant = await ledger.tenant()

    minted = await ledger.key(tenant.name, name="ci", environment=api.KEY_ENVIRONMENT_TEST)

    credential = parse(minted.secret)
    assert credential is not None
    assert credential.partition == tenant.partition
    assert minted.secret.startswith("tk_test_")
    assert minted.key.scopes == ["*"]
    assert minted.key.status == api.KEY_STATUS_ACTIVE
    listed = await ledger.keys.ListKeys(api.ListKeysRequest(tenant=tenant.id))
    assert list(listed.keys) == [minted.key]
    [(sha256, row)] = await query(ledger.url, "SELECT sha256, k::text FROM ledger.api_keys AS k")
    assert sha256 == hashlib.sha256(minted.secret.encode()).digest()
    assert minted.secret not in row


async def test_unspecified_means_live_and_repeated_scopes_count_once(ledger: RunningLedger) -> None:
    tenant = await ledger.tenant()

    minted = await ledger.key(
        tenant.id,
        scopes=["reports:read", "a", "a"],
        expires_at=moment("2999-01-01T00:00:00.000001Z"),
    )

    assert minted.key.environment == api.KEY_ENVIRONMENT_LIVE
    assert minted.key.scopes == ["reports:read", "a"]
    assert minted.key.expires_at == moment("2999-01-01T00:00:00.000001Z")
    assert minted.secret.startswith("tk_live_")


@pytest.mark.parametrize(
    ("wish", "why"),
    [
        ({"expires_at": moment("2020-01-01T00:00:00Z")}, "in the future"),
        ({"expires_at": moment("9999-12-31T00:00:00Z")}, "between now and 9999"),
        ({"scopes": ["Admin"]}, "scope 'Admin'"),
        ({"scopes": ["a b"]}, "scope 'a b'"),
        ({"scopes": [""]}, "scope ''"),
        ({"scopes": ["x" * 65]}, "1 to 64"),
        ({"scopes": [f"s{number}" for number in range(33)]}, "at most 32 scopes"),
        ({"name": "x" * 129}, "at most 128"),
        ({"name": "a\0"}, "printable"),
        ({"environment": 7}, "LIVE or TEST"),
    ],
)
async def test_an_impossible_wish_is_invalid(
    ledger: RunningLedger, wish: dict[str, Any], why: str
) -> None:
    tenant = await ledger.tenant()

    with refused(StatusCode.INVALID_ARGUMENT, why):
        await ledger.key(tenant.id, **wish)


async def test_an_unknown_tenant_is_not_found(ledger: RunningLedger) -> None:
    with refused(StatusCode.NOT_FOUND, "no tenant 'nobody'"):
        await ledger.key("nobody")
    with refused(StatusCode.NOT_FOUND, "no tenant 'nobody'"):
        await ledger.keys.ListKeys(api.ListKeysRequest(tenant="nobody"))


async def test_revoking_twice_changes_nothing(ledger: RunningLedger) -> None:
    tenant = await ledger.tenant()
    minted = await ledger.key(tenant.id)

    first = await ledger.keys.RevokeKey(api.RevokeKeyRequest(key_id=minted.key.id))
    second = await ledger.keys.RevokeKey(api.RevokeKeyRequest(key_id=minted.key.id))

    assert first.status == api.KEY_STATUS_REVOKED
    assert first.HasField("revoked_at")
    assert second == first


@pytest.mark.parametrize("key_id", ["key_00000000000000000000", "", "a\0b"])
async def test_an_unknown_key_is_not_found(ledger: RunningLedger, key_id: str) -> None:
    with refused(StatusCode.NOT_FOUND, "no key"):
        await ledger.keys.RevokeKey(api.RevokeKeyRequest(key_id=key_id))
