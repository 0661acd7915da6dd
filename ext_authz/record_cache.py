"""Key records in memory, as good as those in Redis for as long as Redis says what changes."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Protocol

import hiredis

from ext_authz import keyspace
from ext_authz.records import KeyRecord, TenantRecord
from ext_authz.redis.resp import command

if TYPE_CHECKING:
    from ext_authz.redis.link import Link
    from tollkeeper.credential import Credential

# About 1.5 KB each. Beyond that the oldest goes, and costs two round trips when it comes back.
_KEYS_MAX = 50_000
_TENANTS_MAX = 50_000
# A key that does not exist may be made any moment, though then we are told; and whoever tries keys
# at random must not push out those that exist.
_UNKNOWN_MAX = 10_000
_UNKNOWN_SECONDS = 1.0


class Seeker(Protocol):
    """Who asked for a record. Exactly one of the two is called, once."""

    def found(self, record: KeyRecord | None) -> None:
        """None: no such key."""

    def unanswered(self, why: str) -> None: ...


class RecordCache:
    """Without `trust`, which the listener for changes gives for moments only, nothing is kept."""

    def __init__(self, link: Link) -> None:
        self._link = link
        self._loop = asyncio.get_running_loop()
        self._keys: dict[bytes, KeyRecord] = {}
        self._unknown: dict[bytes, float] = {}
        # Which credential and which tenant a record in Redis stands behind.
        self._credentials: dict[str, bytes] = {}
        self._tenants: dict[str, TenantRecord] = {}
        self._fetches: dict[bytes, _Fetch] = {}
        self._trusted_until = 0.0
        self._changes = 0

    def get(self, credential: bytes) -> KeyRecord | None:
        """The record if it is at hand and to be relied on."""
        if self._loop.time() > self._trusted_until:
            return None
        record = self._keys.get(credential)
        return None if record is None or record.tenant.is_stale else record

    def seek(self, credential: Credential, seeker: Seeker) -> None:
        """Find the record in Redis; those who seek the same meanwhile share the answer."""
        text = credential.text.encode()
        until = self._unknown.get(text)
        now = self._loop.time()
        if until is not None and now < until and now <= self._trusted_until:
            seeker.found(None)
            return
        fetch = self._fetches.get(text)
        if fetch is not None and fetch.changes == self._changes:
            fetch.seekers.append(seeker)
            return
        fetch = _Fetch(self, self._link, credential, self._changes)
        fetch.seekers.append(seeker)
        self._fetches[text] = fetch
        fetch.begin()

    # What the listener for changes tells ----------------------------------------------------------

    def trust_until(self, moment: float) -> None:
        """Rely on what is kept until then, by the loop's clock."""
        self._trusted_until = moment

    def forget(self, name: str) -> None:
        """A record in Redis has changed."""
        self._changes += 1
        credential = self._credentials.pop(name, None)
        if credential is not None:
            self._keys.pop(credential, None)
            self._unknown.pop(credential, None)
        tenant = self._tenants.pop(name, None)
        if tenant is not None:
            # The keys that point to it are many, and with a new plan file so are the tenants.
            tenant.is_stale = True

    def forget_all(self) -> None:
        """Changes may have been missed."""
        self._trusted_until = 0.0
        self._changes += 1
        for kept in (self._keys, self._unknown, self._credentials, self._tenants):
            kept.clear()

    def forget_oldest_tenant(self) -> None:
        self.forget(next(iter(self._tenants)))

    # What a fetch tells ---------------------------------------------------------------------------

    def fetched(self, fetch: _Fetch, record: KeyRecord | None) -> None:
        text = fetch.credential.text.encode()
        if self._fetches.get(text) is fetch:
            del self._fetches[text]
        # A change heard since the question was asked may be newer than the answer.
        if fetch.changes != self._changes:
            return
        name = fetch.key_name
        if record is None:
            _bound(self._unknown, _UNKNOWN_MAX)
            self._unknown[text] = self._loop.time() + _UNKNOWN_SECONDS
            _bound(self._credentials, _KEYS_MAX + _UNKNOWN_MAX)
            self._credentials[name] = text
            return
        _bound(self._keys, _KEYS_MAX)
        _bound(self._credentials, _KEYS_MAX + _UNKNOWN_MAX)
        if len(self._tenants) >= _TENANTS_MAX:
            # Unheard of from here on, hence not to be relied on.
            self.forget_oldest_tenant()
        self._keys[text] = record
        self._credentials[name] = text
        self._tenants[fetch.tenant_name] = record.tenant

    def failed(self, fetch: _Fetch) -> None:
        text = fetch.credential.text.encode()
        if self._fetches.get(text) is fetch:
            del self._fetches[text]

    def tenant(self, fetch: _Fetch) -> TenantRecord | None:
        """The record already kept, unless a change was heard since."""
        if fetch.changes != self._changes:
            return None
        return self._tenants.get(fetch.tenant_name)


class _Fetch:
    """One key record and its tenant's, read from Redis."""

    def __init__(
        self, cache: RecordCache, link: Link, credential: Credential, changes: int
    ) -> None:
        self._cache = cache
        self._link = link
        self.credential = credential
        self.changes = changes
        self.key_name = keyspace.key_record(credential.partition, credential.sha256)
        self.tenant_name = ""
        self.seekers: list[Seeker] = []
        self._key_fields: dict[str, str] | None = None

    def begin(self) -> None:
        self._link.send(command("HGETALL", self.key_name), self)

    def replied(self, reply: Any) -> None:
        if isinstance(reply, hiredis.ReplyError):
            self.unanswered(str(reply))
            return
        fields = _fields(reply)
        if not fields:
            # No such key; or one whose tenant has no record, which is unknown too.
            self._end(None)
        elif self._key_fields is None:
            self._key_fields = fields
            tenant_id = fields["tenant"]
            self.tenant_name = keyspace.tenant_record(self.credential.partition, tenant_id)
            self._link.send(command("HGETALL", self.tenant_name), self)
        else:
            # Keys of one tenant share its record, so that one change reaches them all.
            tenant = self._cache.tenant(self) or TenantRecord.from_fields(
                self._key_fields["tenant"], self.credential.partition, fields
            )
            self._end(KeyRecord.from_fields(self._key_fields, tenant))

    def unanswered(self, why: str) -> None:
        self._cache.failed(self)
        for seeker in self.seekers:
            seeker.unanswered(why)

    def _end(self, record: KeyRecord | None) -> None:
        self._cache.fetched(self, record)
        for seeker in self.seekers:
            seeker.found(record)


def _fields(reply: list[bytes]) -> dict[str, str]:
    texts = [part.decode() for part in reply]
    return dict(zip(texts[::2], texts[1::2], strict=True))


def _bound(kept: dict[Any, Any], size: int) -> None:
    """Make room for one more; the oldest goes."""
    while len(kept) >= size:
        del kept[next(iter(kept))]
