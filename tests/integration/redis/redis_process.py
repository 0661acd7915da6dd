"""Redis servers that a test may stop, freeze and kill."""

from __future__ import annotations

import signal
import subprocess
from typing import TYPE_CHECKING

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import AuthenticationError, RedisError, ResponseError

from ext_authz.redis.place import Place
from tests.support.running import until_async
from tollkeeper.stack.binaries import find_redis

if TYPE_CHECKING:
    from pathlib import Path

_START_SECONDS_MAX = 10
HOST = "127.0.0.1"


class RedisProcess:
    def __init__(self, folder: Path, port: int, *configuration: str) -> None:
        self.place = Place(HOST, port)
        self.folder = folder
        folder.mkdir()
        usual = [f"bind {HOST}", f"port {port}", f'dir "{folder}"', 'save ""', "daemonize no"]
        self._configuration = folder / "redis.conf"
        self._configuration.write_text("\n".join([*usual, *configuration, ""]))
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def port(self) -> int:
        return self.place.port

    @property
    def url(self) -> str:
        return f"redis://{self.place}"

    def client(self) -> Redis:
        once = Retry(NoBackoff(), 0)
        return Redis(host=HOST, port=self.port, socket_timeout=5, retry=once)

    async def start(self, *arguments: str) -> None:
        """Return once it answers, if only to ask for a password."""
        self._spawn(*arguments)
        await until_async(self._answers, _START_SECONDS_MAX)

    def _spawn(self, *arguments: str) -> None:
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [find_redis().path, self._configuration, *arguments], stdout=log, stderr=log
            )

    def kill(self) -> None:
        """At once, as when the machine fails."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def freeze(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    async def _answers(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, (self.folder / "log").read_text()
        async with self.client() as redis:
            try:
                return bool(await redis.ping())
            except RedisError as error:
                return isinstance(error, (AuthenticationError, ResponseError))
