"""KeyService: mints, lists and revokes API keys."""
# ruff: noqa: N802 - gRPC names the methods

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ledger.domain.identifier import Choice, new_identifier
from ledger.domain.key import ID_PREFIX, Key, KeyStatus, key_wish
from ledger.domain.refusal import Refusal, invalid, no_such
from ledger.service.answers import or_unavailable, refuse
from ledger.service.tenants import found
from ledger.service.timestamps import from_timestamp, to_timestamp
from tollkeeper.api.ledger.v1 import keys_pb2, keys_pb2_grpc
from tollkeeper.credential import Environment, mint

if TYPE_CHECKING:
    from datetime import datetime

    import grpc

    from ledger.store.keys import KeyStore
    from ledger.store.tenants import TenantStore
    from tollkeeper.runtime.clock import Clock

_STATUSES: dict[KeyStatus, keys_pb2.KeyStatus.ValueType] = {
    "active": keys_pb2.KEY_STATUS_ACTIVE,
    "revoked": keys_pb2.KEY_STATUS_REVOKED,
}
_ENVIRONMENTS: dict[Environment, keys_pb2.KeyEnvironment.ValueType] = {
    "live": keys_pb2.KEY_ENVIRONMENT_LIVE,
    "test": keys_pb2.KEY_ENVIRONMENT_TEST,
}
_ENVIRONMENTS_WANTED: dict[int, Environment] = {
    keys_pb2.KEY_ENVIRONMENT_UNSPECIFIED: "live",
    keys_pb2.KEY_ENVIRONMENT_LIVE: "live",
    keys_pb2.KEY_ENVIRONMENT_TEST: "test",
}


class KeyService(keys_pb2_grpc.KeyServiceServicer):
    def __init__(self, tenants: TenantStore, keys: KeyStore, clock: Clock, choice: Choice) -> None:
        self._tenants = tenants
        self._keys = keys
        self._clock = clock
        self._choice = choice

    @or_unavailable
    async def CreateKey(
        self, request: keys_pb2.CreateKeyRequest, context: grpc.aio.ServicerContext[Any, Any]
    ) -> keys_pb2.CreateKeyResponse:
        environment = _ENVIRONMENTS_WANTED.get(request.environment)
        if environment is None:
            await refuse(context, invalid("environment must be LIVE or TEST"))
        expires_at: datetime | None = None
        if request.HasField("expires_at"):
            expires_at = from_timestamp(request.expires_at)
            if expires_at is None:
                await refuse(context, invalid("the expiry must be a moment between now and 9999"))
        wish = key_wish(request.name, environment, request.scopes, expires_at, now=self._clock())
        if isinstance(wish, Refusal):
            await refuse(context, wish)
        tenant = await found(self._tenants, request.tenant, context)
        credential = mint(wish.environment, tenant.partition, self._choice)
        key_id = new_identifier(ID_PREFIX, self._choice)
        key = await self._keys.add(key_id, tenant.id, wish, credential)
        return keys_pb2.CreateKeyResponse(key=_message(key), secret=credential.text)

    @or_unavailable
    async def ListKeys(
        self, request: keys_pb2.ListKeysRequest, context: grpc.aio.ServicerContext[Any, Any]
    ) -> keys_pb2.ListKeysResponse:
        tenant = await found(self._tenants, request.tenant, context)
        keys = await self._keys.of_tenant(tenant.id)
        return keys_pb2.ListKeysResponse(keys=[_message(key) for key in keys])

    @or_unavailable
    async def RevokeKey(
        self, request: keys_pb2.RevokeKeyRequest, context: grpc.aio.ServicerContext[Any, Any]
    ) -> keys_pb2.Key:
        key = await self._keys.revoke(request.key_id)
        if key is None:
            await refuse(context, no_such("key", request.key_id))
        return _message(key)


def _message(key: Key) -> keys_pb2.Key:
    return keys_pb2.Key(
        id=key.id,
        tenant_id=key.tenant_id,
        name=key.name,
        environment=_ENVIRONMENTS[key.environment],
        hint=key.hint,
        scopes=key.scopes,
        status=_STATUSES[key.status],
        created_at=to_timestamp(key.created_at),
        expires_at=to_timestamp(key.expires_at) if key.expires_at else None,
        revoked_at=to_timestamp(key.revoked_at) if key.revoked_at else None,
    )
