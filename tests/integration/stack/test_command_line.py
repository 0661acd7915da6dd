"""The command line as a whole."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.support.local_stack import LocalStack

SLOW = {"grpc", "asyncpg", "redis", "aiohttp", "envoy_data_plane", "rich", "psutil"}


def test_help_loads_no_service_and_no_server_library() -> None:
    done = subprocess.run(
        [sys.executable, "-c", "import sys, tollkeeper.cli.main; print(*sys.modules)"],
        capture_output=True,
        text=True,
        check=True,
    )
    loaded = {name.partition(".")[0] for name in done.stdout.split()}
    assert not loaded & {*SLOW, "ext_authz", "ledger", "webhooks"}


def test_every_group_and_command_has_help(own_stack: LocalStack) -> None:
    done = own_stack.tollkeeper("--help")
    assert done.returncode == 0
    names = ["up", "down", "status", "doctor", "tenant", "key", "plan", "usage", "envoy"]
    names += ["ext-authz", "courier", "ledger", "webhooks", "migrate"]
    for name in names:
        assert f"\n  {name} " in done.stdout
        assert own_stack.tollkeeper(name, "--help").returncode == 0


def test_dir_and_json_stand_before_or_after_the_command(own_stack: LocalStack) -> None:
    elsewhere = str(own_stack.dir / "elsewhere")
    before = own_stack.tollkeeper("--json", "status")
    after = own_stack.tollkeeper("status", "--json")
    assert before.stdout == after.stdout
    assert elsewhere in own_stack.tollkeeper("status", "--json", "--dir", elsewhere).stdout


def test_an_unknown_command_is_refused_without_a_traceback(own_stack: LocalStack) -> None:
    done = own_stack.tollkeeper("upp")
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
