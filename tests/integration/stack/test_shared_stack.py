"""What a running stack tells of itself, and how it heals."""

from __future__ import annotations

import stat
from typing import TYPE_CHECKING, Any

import psutil

from tests.support.until import until

if TYPE_CHECKING:
    from tests.support.local_stack import LocalStack

PARTS = [
    "supervisor",
    "postgres",
    "redis",
    "sample_api",
    "ledger",
    "webhooks",
    "courier",
    "ext_authz",
    "envoy",
]


def test_status_names_every_part_and_where_it_is(stack: LocalStack) -> None:
    status = stack.status()
    assert status["running"] is True
    assert status["fault"] is None
    parts = {part["name"]: part for part in status["parts"]}
    assert list(parts) == PARTS
    assert {part["state"] for part in parts.values()} == {"running"}
    assert parts["ledger"]["address"] == stack.endpoints["ledger"]
    assert all(psutil.pid_exists(part["pid"]) for part in parts.values())
    assert stack.tollkeeper("status").returncode == 0


def test_doctor_finds_a_running_stack_well(stack: LocalStack) -> None:
    done = stack.tollkeeper("doctor")
    assert done.returncode == 0, done.stdout
    checks = {check["name"]: check for check in stack.json("doctor")["checks"]}
    assert {"python", "postgres", "redis", "envoy", "ledger", "backlog", "clock"} <= set(checks)
    assert {check["level"] for check in checks.values()} <= {"well", "warning"}


def test_a_killed_part_comes_back(stack: LocalStack) -> None:
    before = _part(stack, "sample_api")
    psutil.Process(before["pid"]).kill()
    restarts = before["restarts"] + 1
    until(lambda: _part(stack, "sample_api")["restarts"] == restarts, 30, "it is restarted")
    until(lambda: stack.status()["running"], 30, "it answers")
    assert _part(stack, "sample_api")["pid"] != before["pid"]
    log = (stack.dir / "logs" / "supervisor.log").read_text()
    assert "sample_api was ended by SIGKILL; starting it again in 0.2 s" in log


def test_a_second_up_in_the_same_directory_is_refused_and_harms_nothing(stack: LocalStack) -> None:
    before = stack.status()
    done = stack.try_up()
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(f"error: a stack already runs in {stack.dir}: ")
    assert [part["pid"] for part in stack.status()["parts"]] == [
        part["pid"] for part in before["parts"]
    ]


def test_endpoints_hold_what_programs_rely_on_and_only_the_owner_reads_them(
    stack: LocalStack,
) -> None:
    base = stack.ports.base
    endpoints = stack.endpoints
    assert endpoints["gateway"] == f"http://127.0.0.1:{base}"
    assert endpoints["envoy_admin"] == f"http://127.0.0.1:{base + 1}"
    assert endpoints["ext_authz"] == [f"127.0.0.1:{base + 10}"]
    assert endpoints["ledger"] == f"127.0.0.1:{base + 20}"
    assert endpoints["webhooks"] == f"http://127.0.0.1:{base + 30}"
    assert endpoints["redis"].startswith("redis://")
    assert endpoints["postgres"].startswith("postgresql://")
    assert endpoints["metrics"]["ext_authz"] == f"http://127.0.0.1:{base + 110}/metrics"
    assert {*endpoints["tenants"]["free"]} == {"id", "key"}
    for name in ("endpoints.json", "demo.json", "secrets.json"):
        assert stat.S_IMODE((stack.dir / name).stat().st_mode) == 0o600


def _part(stack: LocalStack, name: str) -> dict[str, Any]:
    return next(part for part in stack.status()["parts"] if part["name"] == name)
