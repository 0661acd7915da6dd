from __future__ import annotations

from typing import TYPE_CHECKING

from ext_authz import keyspace
from tests.integration.courier.courier_process import running_courier
from tests.support.running import until_async

if TYPE_CHECKING:
    from tests.integration.courier.site import Site

AT = 1_763_640_000_000_000
SOUND: dict[str, str | bytes | int] = {
    "at": AT,
    "call": "dec_1 tn_00000000000000000000 key_1 api_calls 1 request 1",
}
MALFORMED: list[dict[str, str | bytes | int]] = [
    {"hello": "world"},
    SOUND | {"call": "dec_1 tn_1"},
    SOUND | {"call": "dec_1 tn_1 key_1 api_calls many request"},
    SOUND | {"call": f"dec_1 tn_1 key_1 api_calls {10**30} request"},
    SOUND | {"at": 10**30},
    SOUND | {"call": b"\xff\xfe"},
]


async def test_a_charge_that_the_ledger_refuses_is_buried_beside_its_neighbours(
    site: Site,
) -> None:
    customer = await site.customer()
    stream = keyspace.charges(customer.partition)
    await site.gate.reserve(customer)
    await site.redis.xadd(stream, SOUND)  # type: ignore[arg-type]
    await site.gate.reserve(customer)

    async with running_courier(site.settings()):
        await site.until_all_carried(customer)

    [dead] = await site.dead(customer.partition)
    assert dead == {
        b"charge": b"dec_1",
        b"tenant": b"tn_00000000000000000000",
        b"key": b"key_1",
        b"metric": b"api_calls",
        b"units": b"1",
        b"at": str(AT).encode(),
        b"request": b"request 1",
        b"why": b"unknown_tenant",
    }
    assert await site.booked(customer) == (2, 2)


async def test_malformed_entries_are_buried_beside_their_neighbours(site: Site) -> None:
    customer = await site.customer()
    stream = keyspace.charges(customer.partition)
    for fields in MALFORMED:
        await site.redis.xadd(stream, fields)  # type: ignore[arg-type]
        await site.gate.reserve(customer)

    async with running_courier(site.settings()):
        await site.until_all_carried(customer)
        await until_async(lambda: are_dead(site, customer.partition, len(MALFORMED)), 5)

    for dead in await site.dead(customer.partition):
        assert dead[b"why"].startswith(b"malformed: ")
    assert await site.booked(customer) == (len(MALFORMED), len(MALFORMED))


async def are_dead(site: Site, partition: int, count: int) -> bool:
    return len(await site.dead(partition)) == count
