"""Key records in memory, as good as those in Redis for as long as Redis says what changes."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from typing import TYPE_CHECKING, Any, Protocol

import hiredis
import structlog

from ext_authz import keyspace
from ext_authz.records import KeyRecord, TenantRecord
from ext_authz.redis.resp import command
from ext_authz.shelf import Shelf

if TYPE_CHECKING:
    from ext_authz.redis.masters import Masters
    from tollkeeper.credential import Credential

log = structlog.get_logger(__name__)

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

    def __init__(self, masters: Masters) -> None:
        self._masters = masters
        self._loop = asyncio.get_running_loop()
        self._keys: Shelf[KeyRecord] = Shelf(_KEYS_MAX)
        # Moments until which a credential stands for no key.
        self._unknown: Shelf[float] = Shelf(_UNKNOWN_MAX)
        self._tenants: OrderedDict[str, TenantRecord] = OrderedDict()
        self._fetches: dict[bytes, _Fetch] = {}
        self._trusted_until = 0.0
        self._changes = 0

    @property
    def trusted(self) -> bool:
        """Whether what is kept may be relied on."""
        return self._loop.time() <= self._trusted_until

    def get(self, credential: bytes) -> KeyRecord | None:
        """The record if it is at hand and to be relied on."""
        if self._loop.time() > self._trusted_until:
            return None
        record = self._keys.values.get(credential)
        return None if record is None or record.tenant.is_stale else record

    def seek(self, credential: Credential, seeker: Seeker) -> None:
        """Find the record in Redis; those who seek the same meanwhile share the answer."""
        text = credential.text.encode()
        until = self._unknown.values.get(text)
        if until is not None and self._loop.time() < until and self.trusted:
            seeker.found(None)
            return
        fetch = self._fetches.get(text)
        if fetch is not None and fetch.changes == self._changes:
            fetch.seekers.append(seeker)
            return
        fetch = _Fetch(self, self._masters, credential, self._changes)
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
        self._keys.forget(name)
        self._unknown.forget(name)
        tenant = self._tenants.pop(name, None)
        if tenant is not None:
            # The keys that point to it are many, and with a new plan file so are the tenants.
            tenant.is_stale = True

    def forget_all(self) -> None:
        """Changes may have been missed."""
        self._trusted_until = 0.0
        self._changes += 1
        self._keys.clear()
        self._unknown.clear()
        self._tenants.clear()

    # What a fetch tells ---------------------------------------------------------------------------

    def fetched(self, fetch: _Fetch, record: KeyRecord | None) -> None:
        text = fetch.credential.text.encode()
        if self._fetches.get(text) is fetch:
            del self._fetches[text]
        # A change heard since the question was asked may be newer than the answer.
        if fetch.changes != self._changes:
            return
        if record is None:
            self._unknown.put(text, fetch.key_name, self._loop.time() + _UNKNOWN_SECONDS)
        else:
            self._keys.put(text, fetch.key_name, record)
            self._keep_tenant(fetch.tenant_name, record.tenant)

    def failed(self, fetch: _Fetch) -> None:
        text = fetch.credential.text.encode()
        if self._fetches.get(text) is fetch:
            del self._fetches[text]

    def tenant(self, fetch: _Fetch) -> TenantRecord | None:
        """The record already kept, if it is to be relied on and no change was heard since."""
        if fetch.changes != self._changes or not self.trusted:
            return None
        return self._tenants.get(fetch.tenant_name)

    def _keep_tenant(self, name: str, record: TenantRecord) -> None:
        before = self._tenants.get(name)
        if before is None and len(self._tenants) >= _TENANTS_MAX:
            _, before = self._tenants.popitem(last=False)
        if before is not None and before is not record:
            # No change would reach it any more, hence it is not to be relied on.
            before.is_stale = True
        self._tenants[name] = record


class _Fetch:
    """One key record and its tenant's, read from Redis."""

    def __init__(
        self, cache: RecordCache, masters: Masters, credential: Credential, changes: int
    ) -> None:
        self._cache = cache
        self._masters = masters
        self.credential = credential
        self.changes = changes
        self.key_name = keyspace.key_record(credential.partition, credential.sha256)
        self.tenant_name = ""
        self.seekers: list[Seeker] = []
        self._key_fields: dict[str, str] | None = None

    def begin(self) -> None:
        self._ask(self.key_name)

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
            self._ask(self.tenant_name)
        else:
            # Keys of one tenant share its record, so that one change reaches them all.
            tenant = self._cache.tenant(self) or TenantRecord.from_fields(
                self._key_fields["tenant"], self.credential.partition, fields
            )
            self._end(KeyRecord.from_fields(self._key_fields, tenant))

    def unanswered(self, why: str) -> None:
        self._cache.failed(self)
        for seeker in self._seekers_once():
            seeker.unanswered(why)

    def _ask(self, name: str) -> None:
        self._masters.send(command("HGETALL", name), self, self.credential.partition)

    def _end(self, record: KeyRecord | None) -> None:
        self._cache.fetched(self, record)
        for seeker in self._seekers_once():
            try:
                seeker.found(record)
            except Exception:
                # One seeker's mistake must not cost the others their answers.
                log.exception("a record was not understood")
                seeker.unanswered("not understood")

    def _seekers_once(self) -> list[Seeker]:
        seekers, self.seekers = self.seekers, []
        return seekers


def _fields(reply: list[bytes]) -> dict[str, str]:
    texts = [part.decode() for part in reply]
    return dict(zip(texts[::2], texts[1::2], strict=True))
