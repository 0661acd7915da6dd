"""The record cache, with Redis' answers in the test's hand."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from ext_authz import keyspace, record_cache
from ext_authz.record_cache import RecordCache
from tollkeeper.credential import Credential, mint

if TYPE_CHECKING:
    import pytest

    from ext_authz.records import KeyRecord
    from ext_authz.redis.pipeline import Asker

PARTITION = 3
TENANT = keyspace.tenant_record(PARTITION, "tn_1")


class Redis:
    """Two kinds of hashes, read with HGETALL; answers at once unless they are held."""

    def __init__(self) -> None:
        self.tenant_status = "active"
        self.key_status = "active"
        self.held: list[tuple[Asker, list[bytes]]] | None = None
        self.asked = 0

    def send(self, data: bytes, asker: Asker, partition: int) -> None:
        assert partition == PARTITION
        self.asked += 1
        fields = self._tenant() if b":tenant:" in data else self._key()
        reply = [part.encode() for pair in fields.items() for part in pair]
        if self.held is None:
            asker.replied(reply)
        else:
            self.held.append((asker, reply))

    def let_go(self) -> None:
        """Answer what was asked, as it was then."""
        held, self.held = self.held or [], None
        for asker, reply in held:
            asker.replied(reply)

    def _key(self) -> dict[str, str]:
        common = {"tenant": "tn_1", "id": "key_1", "scopes": "*", "expires_at": ""}
        return {**common, "status": self.key_status}

    def _tenant(self) -> dict[str, str]:
        numbers = (
            "burst_interval",
            "burst_capacity",
            "rate_per_minute",
            "period_start",
            "period_end",
            "next_period_end",
        )
        return {"plan": "free", "status": self.tenant_status, **dict.fromkeys(numbers, "1")}


class Seeker:
    def __init__(self) -> None:
        self.told: list[Any] = []

    def found(self, record: KeyRecord | None) -> None:
        self.told.append(record)

    def unanswered(self, why: str) -> None:
        self.told.append(why)


def cache_of(redis: Redis) -> RecordCache:
    return RecordCache(redis)  # type: ignore[arg-type]


def trust(cache: RecordCache, seconds: float = 60) -> None:
    cache.trust_until(asyncio.get_running_loop().time() + seconds)


def seek(cache: RecordCache, credential: Credential) -> Any:
    seeker = Seeker()
    cache.seek(credential, seeker)
    assert len(seeker.told) == 1
    return seeker.told[0]


def get(cache: RecordCache, credential: Credential) -> KeyRecord | None:
    return cache.get(credential.text.encode())


async def test_a_record_is_at_hand_for_as_long_as_it_is_trusted() -> None:
    cache, key = cache_of(Redis()), mint("test", PARTITION)
    record = seek(cache, key)
    assert get(cache, key) is None
    trust(cache)
    assert get(cache, key) is record
    trust(cache, -1)
    assert get(cache, key) is None


async def test_a_change_that_overtakes_an_answer_wins() -> None:
    redis = Redis()
    cache, key = cache_of(redis), mint("test", PARTITION)
    trust(cache)
    redis.held = []
    early = Seeker()
    cache.seek(key, early)
    redis.key_status = "revoked"
    cache.forget(keyspace.key_record(PARTITION, key.sha256))
    held, redis.held = redis.held, None
    # It does not share the answer to the older question.
    assert seek(cache, key).status == "revoked"
    for asker, reply in held:
        asker.replied(reply)
    assert [record.status for record in early.told] == ["active"]
    record = get(cache, key)
    assert record is not None
    assert record.status == "revoked"


async def test_one_change_of_a_tenant_reaches_all_its_keys() -> None:
    redis = Redis()
    cache, keys = cache_of(redis), [mint("test", PARTITION) for _ in range(3)]
    trust(cache)
    for key in keys:
        seek(cache, key)
    redis.tenant_status = "suspended"
    cache.forget(TENANT)
    assert [get(cache, key) for key in keys] == [None] * 3
    assert [seek(cache, key).tenant.status for key in keys] == ["suspended"] * 3


async def test_what_is_read_while_nothing_is_trusted_is_what_redis_has_now() -> None:
    redis = Redis()
    cache, key, other = cache_of(redis), mint("test", PARTITION), mint("test", PARTITION)
    trust(cache)
    seek(cache, key)
    seek(cache, other)
    # The change was not heard yet, and trust has run out.
    trust(cache, -1)
    redis.tenant_status = "suspended"
    assert seek(cache, key).tenant.status == "suspended"
    # Heard of in time after all: the older record of the tenant is out of reach of changes.
    trust(cache)
    assert get(cache, other) is None


async def test_keys_tried_at_random_push_out_no_real_one_nor_its_name(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(record_cache, "_KEYS_MAX", 5)
    monkeypatch.setattr(record_cache, "_UNKNOWN_MAX", 5)
    redis = Redis()
    cache, key = cache_of(redis), mint("test", PARTITION)
    trust(cache)
    record = seek(cache, key)
    monkeypatch.setattr(redis, "_key", dict)
    for _ in range(20):
        assert seek(cache, mint("test", PARTITION)) is None
    assert get(cache, key) is record
    cache.forget(keyspace.key_record(PARTITION, key.sha256))
    assert get(cache, key) is None


async def test_an_unknown_key_that_is_made_is_known_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    redis = Redis()
    cache, key = cache_of(redis), mint("test", PARTITION)
    trust(cache)
    with monkeypatch.context() as patch:
        patch.setattr(redis, "_key", dict)
        assert seek(cache, key) is None
        assert seek(cache, key) is None
        assert redis.asked == 1
    cache.forget(keyspace.key_record(PARTITION, key.sha256))
    assert seek(cache, key).key_id == "key_1"


async def test_one_seekers_mistake_costs_the_others_nothing() -> None:
    class Clumsy(Seeker):
        def found(self, record: KeyRecord | None) -> None:
            raise RuntimeError(record)

    redis = Redis()
    cache, key = cache_of(redis), mint("test", PARTITION)
    redis.held = []
    clumsy, other = Clumsy(), Seeker()
    cache.seek(key, clumsy)
    cache.seek(key, other)
    redis.let_go()
    assert clumsy.told == ["not understood"]
    assert [record.key_id for record in other.told] == ["key_1"]
