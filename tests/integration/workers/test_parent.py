"""Several workers and their parent, each a real process."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
from redis import Redis

from ext_authz.keyspace import charges
from tests.integration.workers.caller import calling, check
from tests.support.certificates import Authority
from tests.support.checks import check_request
from tests.support.frozen_gate import PARTITION, TENANT, FrozenGate, Limits
from tests.support.until import until
from tollkeeper.api.policy.v1.policy_pb2 import KeyPolicy, PolicyChange, Status
from tollkeeper.credential import mint

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.integration.workers.parent_process import ParentProcess

KEY = mint("test", PARTITION)
KEYLESS = check_request()
DECISIONS = "tollkeeper_decisions_total"


async def test_every_worker_answers_on_its_own_port_and_the_parent_for_all(
    parent: ParentProcess, two_ports: int
) -> None:
    first, second = (f"127.0.0.1:{two_ports + worker}" for worker in range(2))
    parent.environment = {**parent.environment, "TOLLKEEPER_EXT_AUTHZ_LISTEN": first}
    parent.start()
    parent.until_ready()
    assert sorted(parent.pids()) == [0, 1]
    for address in (first, first, first, second, second):
        assert (await check(address, KEYLESS)).status.code == 16
    assert parent.metric(DECISIONS, outcome="credential_missing") == 5
    assert parent.metric("tollkeeper_check_seconds_count") == 5
    assert parent.metric("tollkeeper_check_seconds_bucket", le="+Inf") == 5
    assert parent.metric("tollkeeper_workers") == 2
    assert parent.metric("tollkeeper_workers_up") == 2
    assert parent.metric("tollkeeper_workers_restarts_total") == 0
    assert parent.metric("python_info") == 1
    assert parent.metric("process_resident_memory_bytes") > 2 * 10_000_000


def test_sigterm_drains_all_and_leaves_nothing(parent: ParentProcess, folder: Path) -> None:
    parent.start()
    parent.until_ready()
    everybody = parent.everybody()
    assert len(everybody) == 3
    parent.signal(signal.SIGTERM)
    assert parent.process.wait(15) == 0
    assert psutil.wait_procs(everybody, timeout=1)[1] == []
    assert sorted(path.name for path in folder.rglob("*")) == ["log", "t"]
    # Each by itself, not one after the other by a kill.
    assert parent.log.read_text().count('"event":"stopped"') == 3


async def test_a_worker_that_dies_is_started_again_and_its_counts_stay(
    parent: ParentProcess, folder: Path
) -> None:
    parent.start()
    parent.until_ready()
    address = f"unix:{folder}/gate-1.sock"
    await check(address, KEYLESS)
    assert parent.metric(DECISIONS) == 1
    before = parent.pids()
    os.kill(before[1], signal.SIGKILL)
    until(lambda: parent.pids().get(1, before[1]) != before[1], 10, "another worker 1")
    parent.until_ready()
    # Nobody listened on the socket that the dead one left; its successor took the place.
    await check(address, KEYLESS)
    assert parent.pids()[0] == before[0]
    assert parent.metric(DECISIONS) == 2
    assert parent.metric("tollkeeper_workers_restarts_total", worker="1") == 1
    assert parent.metric("tollkeeper_workers_restarts_total", worker="0") == 0


async def test_sighup_renews_one_by_one_and_no_call_is_lost_or_booked_twice(
    parent: ParentProcess, two_ports: int, redis_url: str
) -> None:
    parent.environment = {
        **parent.environment,
        "TOLLKEEPER_EXT_AUTHZ_LISTEN": f"127.0.0.1:{two_ports}",
        "TOLLKEEPER_DRAIN_NOTICE_SECONDS": "0.5",
    }
    _make_key_known(redis_url)
    parent.start()
    parent.until_ready()
    before, unready_at_once = parent.pids(), [0]

    def renewed() -> bool:
        reasons = parent.unready() or {}
        unready_at_once.append(len(reasons))
        pids = parent.pids()
        return not reasons and len(pids) == 2 and not pids.items() & before.items()

    target = f"ipv4:127.0.0.1:{two_ports},127.0.0.1:{two_ports + 1}"
    async with calling(target, check_request(("x-api-key", KEY.text))) as calls:
        parent.signal(signal.SIGHUP)
        await asyncio.to_thread(until, renewed, 30, "both workers are new")
    assert calls.outcomes == {"ok_response": calls.total}
    assert max(unready_at_once) == 1
    assert parent.metric(DECISIONS, outcome="allowed") == calls.total
    with Redis.from_url(redis_url) as redis:
        assert redis.xlen(charges(PARTITION)) == calls.total
    assert parent.metric("tollkeeper_workers_restarts_total") == 0


def test_a_renewal_that_fails_stops_at_the_first_worker(
    parent: ParentProcess, folder: Path
) -> None:
    pair = Authority(folder, "ca").issue("server")
    good = pair.certificate.read_text()
    parent.environment = {
        **parent.environment,
        "TOLLKEEPER_EXT_AUTHZ_TLS_CERTIFICATE": str(pair.certificate),
        "TOLLKEEPER_EXT_AUTHZ_TLS_KEY": str(pair.key),
    }
    parent.start()
    parent.until_ready()
    before = parent.pids()
    pair.certificate.write_text("nothing of use")
    parent.signal(signal.SIGHUP)
    until(lambda: "the others stay as they are" in parent.log.read_text(), 15, "it gave up")
    assert parent.unready() == {"worker 0": "does not answer"}
    assert parent.pids()[1] == before[1]
    # Put right, all is well without another signal.
    pair.certificate.write_text(good)
    parent.until_ready()
    assert parent.pids()[1] == before[1]


def test_workers_end_when_their_parent_is_killed(parent: ParentProcess, folder: Path) -> None:
    parent.start()
    parent.until_ready()
    everybody = parent.everybody()
    parent.signal(signal.SIGKILL)
    parent.process.wait()
    assert psutil.wait_procs(everybody, timeout=10)[1] == []
    assert sorted(path.name for path in folder.rglob("*")) == ["log", "t"]


def test_a_worker_that_cannot_start_ends_all_with_a_clear_line(
    parent: ParentProcess, folder: Path
) -> None:
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(f"{folder}/gate-1.sock")
        other.listen()
        parent.start()
        assert parent.process.wait(30) == 1
    lines = parent.log.read_text().splitlines()
    faults = [line for line in lines if line.startswith("error: ")]
    assert faults == [
        f"error: cannot listen on unix:{folder}/gate-1.sock: another process listens there",
        "error: worker 1 has ended; its own line says why",
    ]
    assert not Path(folder, "gate-0.sock").exists()


def test_sigterm_ends_a_start_that_waits_for_redis(
    parent: ParentProcess, free_ports: Callable[[int], list[int]]
) -> None:
    nobody = f"redis://127.0.0.1:{free_ports(1)[0]}/0"
    parent.environment = {**parent.environment, "TOLLKEEPER_REDIS_URL": nobody}
    parent.start()
    until(lambda: len(parent.pids()) == 2, 15, "the workers begin")
    everybody = parent.everybody()
    assert set(parent.unready() or {}) == {"process", "worker 0", "worker 1"}
    parent.signal(signal.SIGTERM)
    assert parent.process.wait(10) == 0
    assert psutil.wait_procs(everybody, timeout=1)[1] == []


def _make_key_known(redis_url: str) -> None:
    """Of a tenant that no limit holds."""
    with Redis.from_url(redis_url) as redis:
        gate = FrozenGate(redis)
        gate.configure(
            Limits(burst_interval=1, burst_capacity=1_000_000, rate_per_minute=10**9, limit=-1)
        )
        key = KeyPolicy(
            key_id="key_1",
            tenant_id=TENANT,
            key_sha256=KEY.sha256,
            status=Status.STATUS_ACTIVE,
            scopes=["*"],
        )
        gate.apply(PolicyChange(key=key))
