"""The stack's own PostgreSQL."""

from __future__ import annotations

from typing import TYPE_CHECKING

import asyncpg
import pytest

from tollkeeper.stack.child import Child
from tollkeeper.stack.postgres_server import PostgresServer

if TYPE_CHECKING:
    from tollkeeper.stack.directory import StackDirectory


async def test_data_survives_a_stop_and_an_interrupted_initdb_is_begun_anew(
    directory: StackDirectory, free_port: int
) -> None:
    server = PostgresServer(directory.postgres, free_port, "secret", directory.log("postgres"))
    (directory.path / "postgres.new").mkdir()
    (directory.path / "postgres.new" / "PG_VERSION").write_text("18\n")

    child = Child(server.part(), directory)
    try:
        await child.start()
        url = await server.create_database("kept")
        await _execute(url, "CREATE TABLE kept (number integer)")
    finally:
        await child.stop()
    assert not (directory.path / "postgres.new").exists()

    again = Child(server.part(), directory)
    try:
        await again.start()
        assert await server.create_database("kept") == url
        await _execute(url, "INSERT INTO kept VALUES (1)")
    finally:
        await again.stop()
    assert "was not properly shut down" not in directory.log("postgres").read_text()


async def test_a_wrong_password_is_refused(postgres_server: PostgresServer) -> None:
    with pytest.raises(asyncpg.InvalidPasswordError):
        await asyncpg.connect(postgres_server.url("postgres").replace("secret", "mistaken"))


async def test_it_listens_on_loopback_only_without_a_socket_file_and_syncs_to_disk(
    postgres_url: str,
) -> None:
    connection = await asyncpg.connect(postgres_url)
    try:
        names = ["listen_addresses", "unix_socket_directories", "fsync", "synchronous_commit"]
        settings = [await connection.fetchval(f"SHOW {name}") for name in names]
    finally:
        await connection.close()
    assert settings == ["127.0.0.1", "", "on", "on"]


async def _execute(url: str, statement: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()
