"""Asks a worker over HTTP on its Unix socket."""

from __future__ import annotations

import asyncio

import aiohttp
import orjson

# A worker that pauses for longer serves nobody.
_ANSWER_SECONDS_MAX = 1.0


async def metrics_of(path: str) -> str | None:
    """The text of `/metrics`, or None when there is no answer."""
    answer = await _get(path, "/metrics")
    return answer[1].decode() if answer else None


async def unreadiness_of(path: str) -> str | None:
    """Why the worker is not ready, or None when it is."""
    answer = await _get(path, "/readyz")
    if answer is None:
        return "does not answer"
    reasons = orjson.loads(answer[1])["reasons"]
    return ", ".join(f"{part}: {why}" for part, why in reasons.items()) or None


async def _get(path: str, route: str) -> tuple[int, bytes] | None:
    try:
        async with (
            asyncio.timeout(_ANSWER_SECONDS_MAX),
            aiohttp.ClientSession(connector=aiohttp.UnixConnector(path)) as session,
            session.get(f"http://worker{route}") as response,
        ):
            return response.status, await response.read()
    except (aiohttp.ClientError, OSError, TimeoutError):
        return None
