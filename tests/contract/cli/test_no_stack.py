"""What a person reads who runs a command before, beside or after a stack."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

_TOLLKEEPER = Path(sys.executable).with_name("tollkeeper")
_COMMANDS = [
    ["tenant", "create", "acme", "--plan", "free"],
    ["tenant", "show", "acme"],
    ["tenant", "list"],
    ["tenant", "suspend", "acme"],
    ["tenant", "resume", "acme"],
    ["tenant", "set-plan", "acme", "free"],
    ["key", "create", "acme"],
    ["key", "list", "acme"],
    ["key", "revoke", "key_1"],
    ["plan", "list"],
    ["plan", "show", "free"],
    ["usage", "show", "acme"],
]


@pytest.mark.parametrize("command", _COMMANDS, ids=" ".join)
def test_without_a_stack_each_command_says_how_to_get_one(
    tmp_path: Path, command: list[str]
) -> None:
    line = error(tmp_path, *command)

    assert line == (
        f"error: no stack in {tmp_path}: start one with `tollkeeper up`, name its directory with "
        "--dir, or set TOLLKEEPER_LEDGER_ADDRESS"
    )


def test_endpoints_that_were_cut_short_are_named(tmp_path: Path) -> None:
    file = tmp_path / "endpoints.json"
    file.write_text('{"ledger": "127.0.')

    assert error(tmp_path, "plan", "list").startswith(f"error: {file}: no valid JSON")


def test_a_ledger_that_is_down_is_named_by_its_address(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = f"127.0.0.1:{listener.getsockname()[1]}"
    (tmp_path / "endpoints.json").write_text(f'{{"ledger": "{address}"}}')

    assert error(tmp_path, "plan", "list") == (
        f"error: the ledger does not answer at {address}: start it with `tollkeeper up`, "
        "or set TOLLKEEPER_LEDGER_ADDRESS"
    )


def test_an_argument_that_is_no_utf8_is_refused(tmp_path: Path) -> None:
    assert error(tmp_path, "tenant", "show", b"\xff") == "error: tenant: is not valid UTF-8"


def error(directory: Path, *arguments: str | bytes) -> str:
    """The one line on standard error."""
    variables = {
        name: value for name, value in os.environ.items() if not name.startswith("TOLLKEEPER_")
    }
    done = subprocess.run(
        [_TOLLKEEPER, *arguments, "--dir", directory],
        capture_output=True,
        check=False,
        text=True,
        timeout=30,
        env=variables,
    )
    assert (done.returncode, done.stdout) == (1, "")
    (line,) = done.stderr.splitlines()
    return line
