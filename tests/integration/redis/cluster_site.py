"""A Redis Cluster of three masters, and room for more nodes."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

from redis.crc import REDIS_CLUSTER_HASH_SLOTS, key_slot

from tests.integration.redis.redis_process import HOST, RedisProcess
from tests.support.running import until_async
from tollkeeper.stack.ports import is_free

if TYPE_CHECKING:
    from pathlib import Path

    from redis.asyncio import Redis

    from tests.support.free_ports import FreePorts

_MASTERS = 3
_SECONDS_MAX = 10
# Nodes talk to each other there; before Redis 7 it cannot be chosen.
_BUS_PORT_OFFSET = 10_000


class ClusterSite:
    def __init__(self, folder: Path, ports: FreePorts) -> None:
        self._folder = folder
        free = (ports.port() for _ in itertools.count())
        self._ports = (port for port in free if is_free(port + _BUS_PORT_OFFSET))
        self.nodes: list[RedisProcess] = []
        share = -(-REDIS_CLUSTER_HASH_SLOTS // _MASTERS)
        slots = range(REDIS_CLUSTER_HASH_SLOTS)
        self._shares = [slots[first : first + share] for first in slots[::share]]

    @property
    def url(self) -> str:
        """The first node it names does not exist."""
        places = ",".join(str(node.place) for node in self.nodes[:2])
        return f"redis+cluster://{HOST}:1,{places}"

    async def start(self) -> None:
        for number in range(_MASTERS):
            node = await self.add_node()
            async with node.client() as redis:
                # Else they quarrel about it for a second.
                await _say(redis, "CLUSTER SET-CONFIG-EPOCH", number + 1)
                await _say(redis, "CLUSTER ADDSLOTS", *self._shares[number])
        await self.meet()

    def stop(self) -> None:
        for node in self.nodes:
            node.kill()

    async def add_node(self) -> RedisProcess:
        """One that knows nobody."""
        node = RedisProcess(
            self._folder / f"node{len(self.nodes)}",
            next(self._ports),
            "cluster-enabled yes",
            "cluster-node-timeout 1000",
            "cluster-replica-validity-factor 0",
            "repl-diskless-sync-delay 0",
            # Redis 7 shows no replica that has not heard from its master yet.
            "repl-ping-replica-period 1",
        )
        self.nodes.append(node)
        await node.start()
        return node

    async def meet(self) -> None:
        """Every node knows all others, and all is well."""
        async with self.nodes[0].client() as first:
            for node in self.nodes[1:]:
                await _say(first, "CLUSTER MEET", HOST, node.port)
        await until_async(self.is_well, _SECONDS_MAX)

    async def is_well(self) -> bool:
        for node in self.nodes:
            async with node.client() as redis:
                state = await _say(redis, "CLUSTER INFO")
            if state["cluster_state"] != "ok":
                return False
            if int(state["cluster_known_nodes"]) != len(self.nodes):
                return False
        return True

    async def add_replica(self, of: RedisProcess) -> RedisProcess:
        replica = await self.add_node()
        await self.meet()
        async with of.client() as master, replica.client() as redis:
            await _say(redis, "CLUSTER REPLICATE", await _node_id(master))

            async def replicates() -> bool:
                return bool((await redis.info("replication"))["master_link_status"] == "up")

            await until_async(replicates, _SECONDS_MAX)

            async def is_known_as_one() -> bool:
                answers = [await self._slots(node) for node in self.nodes]
                return all(str(replica.port) in answer for answer in answers)

            await until_async(is_known_as_one, _SECONDS_MAX)
        return replica

    async def _slots(self, node: RedisProcess) -> str:
        async with node.client() as redis:
            return str(await _say(redis, "CLUSTER SLOTS"))

    def owner(self, partition: int) -> RedisProcess:
        """Who holds it as long as nothing was moved."""
        slot = key_slot(b"p%d" % partition)
        return next(
            node for node, slots in zip(self.nodes, self._shares, strict=False) if slot in slots
        )

    def others(self, partition: int) -> list[RedisProcess]:
        return [node for node in self.nodes if node is not self.owner(partition)]

    async def begin_to_move(self, partition: int, to: RedisProcess) -> None:
        slot = key_slot(b"p%d" % partition)
        async with self.owner(partition).client() as source, to.client() as target:
            await _say(target, "CLUSTER SETSLOT", slot, "IMPORTING", await _node_id(source))
            await _say(source, "CLUSTER SETSLOT", slot, "MIGRATING", await _node_id(target))

    async def move_keys(self, partition: int, to: RedisProcess, *names: bytes) -> None:
        """Those named, or all of the partition."""
        slot = key_slot(b"p%d" % partition)
        async with self.owner(partition).client() as source:
            for name in names or await _say(source, "CLUSTER GETKEYSINSLOT", slot, 1_000):
                await _say(source, "MIGRATE", HOST, to.port, name, 0, 1_000)

    async def end_move(self, partition: int, to: RedisProcess) -> None:
        slot = key_slot(b"p%d" % partition)
        async with to.client() as target:
            node_id = await _node_id(target)
        for node in (to, *self.nodes):
            async with node.client() as redis:
                await _say(redis, "CLUSTER SETSLOT", slot, "NODE", node_id)

    async def move(self, partition: int, to: RedisProcess) -> None:
        await self.begin_to_move(partition, to)
        await self.move_keys(partition, to)
        await self.end_move(partition, to)


async def _node_id(redis: Redis) -> str:
    found = await _say(redis, "CLUSTER MYID")
    return found.decode() if isinstance(found, bytes) else str(found)


async def _say(redis: Redis, *parts: object) -> object:
    return await redis.execute_command(*parts)
