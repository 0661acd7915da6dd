"""The stack as an ordinary user, and what root does not keep."""

from __future__ import annotations

import os
import pwd
import stat
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import psutil
import pytest

from tests.support.local_stack import LocalStack
from tests.support.remains import assert_nothing_is_left, processes_of
from tollkeeper.stack.child import Child
from tollkeeper.stack.directory import StackDirectory
from tollkeeper.stack.drop_root import NOBODY
from tollkeeper.stack.postgres_server import PostgresServer

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Iterator

    from tests.support.free_ports import FreePorts


@pytest.fixture
def home() -> Iterator[Path]:
    """A folder of an ordinary user; `tmp_path` lies where only the present user may go."""
    with TemporaryDirectory() as folder:
        if os.geteuid() == 0:
            os.chown(folder, _ordinary_user(), -1)
        yield Path(folder)


def test_an_ordinary_user_runs_everything_as_himself(home: Path, ports: FreePorts) -> None:
    stack = LocalStack(home / "stack", ports.stack_base(), _as(home.stat().st_uid))
    try:
        stack.up()
        processes = processes_of(stack)
        assert {process.uids().effective for process in processes} == {home.stat().st_uid}
    finally:
        stack.down()
    assert_nothing_is_left(stack, processes)


def test_postgres_never_runs_as_root(stack: LocalStack) -> None:
    postgres = next(part for part in stack.status()["parts"] if part["name"] == "postgres")
    expected = NOBODY if os.geteuid() == 0 else os.geteuid()
    assert psutil.Process(postgres["pid"]).uids().effective == expected


def test_a_directory_that_only_its_owner_can_enter_is_left_as_it_is(
    tmp_path: Path, free_port: int, runner: asyncio.Runner
) -> None:
    tmp_path.chmod(0o700)
    directory = StackDirectory(tmp_path)
    directory.create()
    log = directory.log("postgres")
    postgres = Child(PostgresServer(directory.postgres, free_port, "secret", log).part(), directory)
    try:
        runner.run(postgres.start())
    finally:
        runner.run(postgres.stop())
    for path in (tmp_path, directory.logs):
        assert path.stat().st_uid == os.geteuid()
    assert stat.S_IMODE(tmp_path.stat().st_mode) == 0o700


def _ordinary_user() -> int:
    return next(entry.pw_uid for entry in pwd.getpwall() if entry.pw_uid not in (0, NOBODY))


def _as(user: int) -> list[str]:
    """Nothing for an ordinary user. Root becomes one, who may still read the checkout."""
    if os.geteuid() != 0:
        return []
    reach = "-all,+dac_override"
    return [
        "setpriv",
        f"--reuid={user}",
        f"--regid={user}",
        "--clear-groups",
        f"--inh-caps={reach}",
        f"--ambient-caps={reach}",
        f"--bounding-set={reach}",
    ]
