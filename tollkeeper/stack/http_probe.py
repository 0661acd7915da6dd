"""One HTTP request to a part of the stack, past any proxy that the environment names."""

from __future__ import annotations

import asyncio
from http.client import HTTPConnection, HTTPException

# On loopback; a part that needs longer than this to say how it is, is not well.
_SECONDS_MAX = 2.0


def request(address: str, path: str, method: str = "GET") -> tuple[int, bytes]:
    """Status and body; status 0 when nothing answers at `HOST:PORT`."""
    connection = HTTPConnection(address, timeout=_SECONDS_MAX)
    try:
        connection.request(method, path)
        response = connection.getresponse()
        return response.status, response.read()
    except (OSError, HTTPException):
        return 0, b""
    finally:
        connection.close()


async def answers_ok(address: str, path: str) -> bool:
    status, _ = await asyncio.to_thread(request, address, path)
    return status == 200  # noqa: PLR2004 - everybody knows 200
