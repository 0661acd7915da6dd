"""A pipeline to one Redis, kept up: connected, greeted, and connected again when it breaks."""

from __future__ import annotations

import asyncio
import random
from typing import TYPE_CHECKING, Any, Self

import hiredis
import structlog
from redis.asyncio.connection import SSLConnection, UnixDomainSocketConnection, parse_url

from ext_authz.redis.pipeline import Pipeline
from ext_authz.redis.resp import command
from tollkeeper.runtime.errors import OperatorError

if TYPE_CHECKING:
    from ext_authz.redis.pipeline import Asker

log = structlog.get_logger(__name__)

_BACKOFF_SECONDS_MIN = 0.02
# Every gate of an installation comes back at once; jitter spreads them over this.
_BACKOFF_SECONDS_MAX = 1.0
_CONNECT_SECONDS_MAX = 1.0


class _Greeting:
    """Collects the answers to AUTH, SELECT and SCRIPT LOAD."""

    def __init__(self, count: int) -> None:
        self._left = count
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def replied(self, reply: Any) -> None:
        self._left -= 1
        if self.done.done():
            return
        if isinstance(reply, hiredis.ReplyError):
            self.done.set_exception(ConnectionError(str(reply)))
        elif self._left == 0:
            self.done.set_result(None)

    def unanswered(self, why: str) -> None:
        if not self.done.done():
            self.done.set_exception(ConnectionError(why))


class Link:
    """`send` at any time: without a connection the asker is told so at once."""

    def __init__(self, url: str, *, timeout_seconds: float, scripts: list[str]) -> None:
        try:
            self._options: dict[str, Any] = dict(parse_url(url))
        except ValueError as error:
            raise OperatorError(f"TOLLKEEPER_REDIS_URL: {error}") from error
        self._timeout_seconds = timeout_seconds
        self._scripts = scripts
        self._pipeline: Pipeline | None = None
        self._broken = asyncio.Event()
        self._keeping: asyncio.Task[None] | None = None

    @property
    def connected(self) -> bool:
        return self._pipeline is not None

    def send(self, data: bytes, asker: Asker) -> None:
        if self._pipeline is None:
            asker.unanswered("not connected")
        else:
            self._pipeline.send(data, asker)

    async def __aenter__(self) -> Self:
        self._keeping = asyncio.create_task(self._keep())
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._keeping is not None:
            self._keeping.cancel()
            await asyncio.gather(self._keeping, return_exceptions=True)
        if self._pipeline is not None:
            self._pipeline.close()

    async def _keep(self) -> None:
        delay = _BACKOFF_SECONDS_MIN
        while True:
            try:
                async with asyncio.timeout(_CONNECT_SECONDS_MAX):
                    self._pipeline = await self._connect()
            except (OSError, TimeoutError) as error:
                log.warning("Redis is not reached", error=str(error) or type(error).__name__)
                await asyncio.sleep(delay * random.uniform(0.5, 1.0))  # noqa: S311 - jitter
                delay = min(2 * delay, _BACKOFF_SECONDS_MAX)
                continue
            delay = _BACKOFF_SECONDS_MIN
            await self._broken.wait()
            self._broken.clear()

    def _lost(self, pipeline: Pipeline) -> None:
        if pipeline is self._pipeline:
            self._pipeline = None
            self._broken.set()

    async def _connect(self) -> Pipeline:
        loop = asyncio.get_running_loop()
        options = self._options

        def make() -> Pipeline:
            return Pipeline(self._timeout_seconds, self._lost)

        kind = options.get("connection_class")
        if kind is UnixDomainSocketConnection:
            _, pipeline = await loop.create_unix_connection(make, options["path"])
        else:
            tls = _tls(options) if kind is SSLConnection else None
            host, port = options.get("host", "localhost"), options.get("port", 6379)
            _, pipeline = await loop.create_connection(make, host, port, ssl=tls)
        try:
            await self._greet(pipeline)
        except BaseException:
            pipeline.close()
            raise
        return pipeline

    async def _greet(self, pipeline: Pipeline) -> None:
        commands = [command("CLIENT", "SETNAME", "tollkeeper-ext-authz")]
        if password := self._options.get("password"):
            user = self._options.get("username")
            login = (user, password) if user else (password,)
            commands.insert(0, command("AUTH", *login))
        if database := self._options.get("db"):
            commands.append(command("SELECT", database))
        commands += [command("SCRIPT", "LOAD", source) for source in self._scripts]
        greeting = _Greeting(len(commands))
        for data in commands:
            pipeline.send(data, greeting)
        await greeting.done


def _tls(options: dict[str, Any]) -> Any:
    """The TLS context that redis-py would use for the same URL."""
    return SSLConnection(
        **{name: value for name, value in options.items() if name.startswith("ssl_")}
    ).ssl_context.get()
