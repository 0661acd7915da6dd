"""`tollkeeper up`, `down` and what lies between, with every part real."""

from __future__ import annotations

import os
import signal
from http.client import HTTPConnection
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import psutil
import pytest

from tests.support.remains import assert_nothing_is_left, processes_of
from tests.support.until import until

if TYPE_CHECKING:
    from tests.support.local_stack import LocalStack

pytestmark = pytest.mark.timeout(180)


def test_a_second_up_keeps_tenants_keys_and_usage(own_stack: LocalStack) -> None:
    own_stack.up()
    before = own_stack.endpoints["tenants"]
    assert list(before) == ["free", "standard", "enterprise"]
    # The gate knows every demo key as soon as `up` returns.
    assert {_call(own_stack, tenant["key"]) for tenant in before.values()} == {200}
    until(lambda: _used(own_stack) == 1, 30, "the call is in PostgreSQL")
    processes = processes_of(own_stack)
    assert own_stack.down().returncode == 0
    assert_nothing_is_left(own_stack, processes)

    own_stack.up("--workers", "2")
    assert own_stack.endpoints["tenants"] == before
    assert len(own_stack.endpoints["ext_authz"]) == 2
    assert _used(own_stack) == 1
    assert _call(own_stack, before["free"]["key"]) == 200
    until(lambda: _used(own_stack) == 2, 30, "the second call is in PostgreSQL")


def test_up_and_down_end_what_a_killed_supervisor_left(own_stack: LocalStack) -> None:
    own_stack.up()
    left = processes_of(own_stack)
    _kill_supervisor(own_stack)
    status = own_stack.tollkeeper("status")
    assert status.returncode == 1
    assert "the supervisor is gone" in status.stderr

    own_stack.up()
    assert psutil.wait_procs(left, timeout=5)[1] == []
    assert own_stack.status()["running"]

    left = processes_of(own_stack)
    _kill_supervisor(own_stack)
    done = own_stack.down()
    assert (done.returncode, done.stderr) == (0, "")
    assert_nothing_is_left(own_stack, left)


def test_ctrl_c_leaves_nothing(own_stack: LocalStack) -> None:
    with own_stack.up_in_foreground() as process:
        until((own_stack.dir / "endpoints.json").exists, 60, "the stack is up")
        processes = processes_of(own_stack)
        # As a terminal does it: to the whole foreground group.
        os.killpg(process.pid, signal.SIGINT)
        output, _ = process.communicate(timeout=60)
    assert process.returncode == 0, output
    assert "curl -i http://127.0.0.1:" in output
    assert "✓ stop postgres" in output
    assert_nothing_is_left(own_stack, processes)


def test_ctrl_c_during_the_start_leaves_nothing(own_stack: LocalStack) -> None:
    with own_stack.up_in_foreground() as process:
        until((own_stack.dir / "run" / "redis.json").exists, 60, "Redis is being started")
        os.killpg(process.pid, signal.SIGINT)
        output, _ = process.communicate(timeout=60)
    assert process.returncode == 0, output
    assert "curl" not in output
    assert_nothing_is_left(own_stack, [])


def test_a_part_that_ends_while_starting_is_shown_with_its_last_words(
    own_stack: LocalStack,
) -> None:
    done = own_stack.try_up(
        "--detach",
        environment={"TOLLKEEPER_PLANS_FILE": str(own_stack.dir / "no-such-plans.yaml")},
    )
    assert done.returncode == 1
    assert done.stderr.startswith("error: ledger ended with status 1 while starting; the end of ")
    assert "no-such-plans.yaml" in done.stderr
    assert "Traceback" not in done.stderr
    assert_nothing_is_left(own_stack, [])


def test_servers_of_the_users_own_are_used_and_left_alone(
    own_stack: LocalStack, postgres_url: str, redis_url: str
) -> None:
    own_stack.up("--postgres-url", postgres_url, "--redis-url", redis_url)
    assert own_stack.endpoints["postgres"] == postgres_url
    assert own_stack.endpoints["redis"] == redis_url
    assert not {"postgres", "redis"} & {part["name"] for part in own_stack.status()["parts"]}
    assert _call(own_stack, own_stack.endpoints["tenants"]["free"]["key"]) == 200
    own_stack.down()
    assert not (own_stack.dir / "postgres").exists()


def test_a_server_of_the_users_own_that_refuses_is_named_without_its_password(
    own_stack: LocalStack, redis_url: str
) -> None:
    wrong = redis_url.replace("secret", "mistaken")
    done = own_stack.try_up("--redis-url", wrong)
    assert done.returncode == 1
    assert "--redis-url: nothing that accepts us answers at redis://127.0.0.1:" in done.stderr
    assert "mistaken" not in done.stderr + done.stdout
    assert_nothing_is_left(own_stack, [])


def _kill_supervisor(stack: LocalStack) -> None:
    pids = {part["name"]: part["pid"] for part in stack.status()["parts"]}
    supervisor = psutil.Process(pids["supervisor"])
    supervisor.kill()
    supervisor.wait(10)


def _call(stack: LocalStack, key: str) -> int:
    connection = HTTPConnection(urlsplit(stack.endpoints["gateway"]).netloc, timeout=10)
    try:
        connection.request("GET", "/hello", headers={"authorization": f"Bearer {key}"})
        return connection.getresponse().status
    finally:
        connection.close()


def _used(stack: LocalStack) -> int:
    usage: dict[str, Any] = stack.json("usage", "show", "demo-free")
    return next(m["used"] for m in usage["metrics"] if m["metric"] == "api_calls")
