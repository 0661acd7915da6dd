"""`--check-config`: every fault at once, and no process started."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.support.local_stack import LocalStack

POSTGRES = {"TOLLKEEPER_POSTGRES_URL": "postgresql://127.0.0.1:1/none"}

GOOD = [
    ("ext-authz", {}),
    ("courier", {}),
    ("ledger", POSTGRES),
    ("webhooks", POSTGRES),
    ("migrate", POSTGRES),
]
BAD = [
    ("ext-authz", {"TOLLKEEPER_EXT_AUTHZ_LISTEN": "here"}),
    ("courier", {"TOLLKEEPER_COURIER_LISTEN": "here", "TOLLKEEPER_LEDGER_ADDRESS": "0"}),
    ("ledger", {**POSTGRES, "TOLLKEEPER_LEDGER_LISTEN": ":0"}),
    ("webhooks", {**POSTGRES, "TOLLKEEPER_WEBHOOKS_LISTEN": "127.0.0.1:99999"}),
    ("migrate", {**POSTGRES, "TOLLKEEPER_START_TIMEOUT_SECONDS": "soon"}),
]


@pytest.mark.parametrize(("process", "environment"), GOOD, ids=lambda value: str(value)[:12])
def test_good_settings_are_ok(
    own_stack: LocalStack, process: str, environment: dict[str, str]
) -> None:
    done = own_stack.tollkeeper(process, "--check-config", environment=environment)
    assert (done.returncode, done.stdout, done.stderr) == (0, "OK\n", "")


@pytest.mark.parametrize(("process", "environment"), BAD, ids=lambda value: str(value)[:12])
def test_all_faults_are_named_in_one_line(
    own_stack: LocalStack, process: str, environment: dict[str, str]
) -> None:
    faults = {
        **environment,
        "TOLLKEEPER_LOG_LEVEL": "loud",
        "TOLLKEEPER_DRAIN_TIMEOUT_SECONDS": "x",
    }
    done = own_stack.tollkeeper(process, "--check-config", environment=faults)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("error: settings: ")
    assert done.stderr.count("\n") == 1
    for name in faults.keys() - POSTGRES.keys():
        assert f"{name}: " in done.stderr
