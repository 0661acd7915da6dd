"""What the commands say where nothing runs."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.support.local_stack import LocalStack


def test_down_says_that_nothing_runs(own_stack: LocalStack) -> None:
    done = own_stack.down()
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"nothing runs in {own_stack.dir}\n"
    assert not own_stack.dir.exists()


def test_status_says_how_to_start_one(own_stack: LocalStack) -> None:
    done = own_stack.tollkeeper("status")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(f"error: no stack runs in {own_stack.dir}: ")
    status = own_stack.status()
    assert (status["running"], status["parts"]) == (False, [])


def test_doctor_finds_a_fit_machine_fit(own_stack: LocalStack) -> None:
    done = own_stack.tollkeeper("doctor", "--port-base", str(own_stack.ports.base))
    assert done.returncode == 0, done.stdout
    assert "✗" not in done.stdout


def test_doctor_fails_on_a_port_in_use_and_says_what_to_do(own_stack: LocalStack) -> None:
    base = own_stack.ports.base
    with socket.create_server(("127.0.0.1", base + 50)):
        done = own_stack.tollkeeper("doctor", "--port-base", str(base))
    assert done.returncode == 1
    line = next(line for line in done.stdout.splitlines() if line.startswith("✗"))
    assert f"in use: {base + 50} → " in line
    assert "--port-base" in line


def test_a_directory_that_cannot_be_made_is_one_clear_line(own_stack: LocalStack) -> None:
    own_stack.dir.write_text("a file")
    done = own_stack.try_up()
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(f"error: cannot write {own_stack.dir}")
    assert done.stderr.count("\n") == 1
    assert own_stack.tollkeeper("doctor").returncode == 1
    own_stack.dir.unlink()
