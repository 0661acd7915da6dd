"""How the parts of a running stack are, asked one by one."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import asyncpg
import orjson
from redis.asyncio import Redis
from redis.exceptions import RedisError

from tollkeeper.stack.finding import Finding
from tollkeeper.stack.http_probe import request

if TYPE_CHECKING:
    from collections.abc import Iterator

_ANSWER_SECONDS_MAX = 2.0
# Bookings and expiries compare moments of two clocks; a second apart is what people notice.
_CLOCK_SECONDS_MAX = 1.0
# The courier carries several thousand a second: more than this waits for something.
_BACKLOG_WARNING = 10_000
_BACKLOG = re.compile(rb"^tollkeeper_courier_backlog(?:\{[^}]*\})? (\S+)$", re.MULTILINE)


def check_services(endpoints: dict[str, Any], logs: str) -> Iterator[Finding]:
    """Each service by its /readyz, the gateway by Envoy's /ready."""
    services = {part: urlsplit(url).netloc for part, url in endpoints["metrics"].items()}
    for part, address in services.items():
        yield _service(part, *request(address, "/readyz"), advice=f"see {logs}/{part}.log")
    status, answer = request(urlsplit(endpoints["envoy_admin"]).netloc, "/ready")
    if status == 200:  # noqa: PLR2004 - everybody knows 200
        yield Finding("well", "envoy", f"ready at {endpoints['gateway']}")
    else:
        said = answer.decode(errors="replace").strip() or "no answer"
        yield Finding("fault", "envoy", f"not ready: {said}", f"see {logs}/envoy.log")


def check_backlog(endpoints: dict[str, Any]) -> Finding:
    """How many charges Redis holds that PostgreSQL does not have yet."""
    _, metrics = request(urlsplit(endpoints["metrics"]["courier"]).netloc, "/metrics")
    counts = _BACKLOG.findall(metrics)
    if not counts:
        return Finding("warning", "backlog", "unknown: the courier does not say", "ask again")
    waiting = int(sum(float(count) for count in counts))
    detail = f"{waiting:,} charges on their way to PostgreSQL"
    if waiting < _BACKLOG_WARNING:
        return Finding("well", "backlog", detail)
    return Finding("warning", "backlog", detail, "see whether ledger and courier are well")


async def check_postgres(url: str) -> Finding:
    try:
        connection = await asyncpg.connect(url, timeout=_ANSWER_SECONDS_MAX)
        try:
            before = time.time()
            now = float(await connection.fetchval("SELECT extract(epoch FROM clock_timestamp())"))
            return _clock("postgres", now - (before + time.time()) / 2)
        finally:
            await connection.close()
    except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        return Finding("fault", "postgres", f"does not answer: {error}", "see its log")


async def check_redis(url: str) -> Finding:
    client = Redis.from_url(
        url, socket_timeout=_ANSWER_SECONDS_MAX, socket_connect_timeout=_ANSWER_SECONDS_MAX
    )
    try:
        before = time.time()
        seconds, micros = await client.time()
        return _clock("redis", seconds + micros / 1e6 - (before + time.time()) / 2)
    except (RedisError, OSError, TimeoutError) as error:
        return Finding("fault", "redis", f"does not answer: {error}", "see its log")
    finally:
        await client.aclose()


def _service(part: str, status: int, answer: bytes, *, advice: str) -> Finding:
    if status == 200:  # noqa: PLR2004 - everybody knows 200
        return Finding("well", part, "ready")
    if status == 0:
        return Finding("fault", part, "does not answer", advice)
    try:
        reasons = ", ".join(
            f"{what}: {why}" for what, why in orjson.loads(answer)["reasons"].items()
        )
    except (orjson.JSONDecodeError, AttributeError, KeyError, TypeError):
        reasons = f"status {status}"
    return Finding("fault", part, f"not ready: {reasons}", advice)


def _clock(server: str, ahead_seconds: float) -> Finding:
    if abs(ahead_seconds) <= _CLOCK_SECONDS_MAX:
        return Finding("well", server, "answers, and its clock agrees with ours")
    return Finding(
        "warning",
        server,
        f"answers; its clock is {ahead_seconds:+.1f} s from ours",
        "synchronise both clocks",
    )
