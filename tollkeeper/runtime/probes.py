"""What a process tells its surroundings over HTTP: `/healthz`, `/readyz`, `/metrics`."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, generate_latest

from tollkeeper.runtime.errors import OperatorError
from tollkeeper.runtime.settings import split_address, unix_path
from tollkeeper.runtime.unix_socket import on_address

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


class Readiness:
    """Why a process is not ready, by part; ready when no part gives a reason."""

    def __init__(self) -> None:
        self._reasons: dict[str, str] = {"process": "starting"}

    @property
    def reasons(self) -> dict[str, str]:
        return dict(self._reasons)

    def ready(self, part: str = "process") -> None:
        self._reasons.pop(part, None)

    def not_ready(self, part: str, reason: str) -> None:
        self._reasons[part] = reason


def probe_application(readiness: Readiness) -> web.Application:
    """An application with the three routes; a process with routes of its own adds them to it."""

    async def healthz(_: web.Request) -> web.Response:
        return web.json_response({"status": "ok"})

    async def readyz(_: web.Request) -> web.Response:
        reasons = readiness.reasons
        status = 503 if reasons else 200
        return web.json_response({"ready": not reasons, "reasons": reasons}, status=status)

    async def metrics(_: web.Request) -> web.Response:
        return web.Response(
            body=generate_latest(REGISTRY), headers={"content-type": CONTENT_TYPE_LATEST}
        )

    application = web.Application()
    application.add_routes(
        [web.get("/healthz", healthz), web.get("/readyz", readyz), web.get("/metrics", metrics)]
    )
    return application


@asynccontextmanager
async def serve_http(application: web.Application, listen: str) -> AsyncIterator[None]:
    """Serve on `HOST:PORT` or `unix:PATH` while the block runs.

    Raises OperatorError when the address is not to be had.
    """
    async with on_address(listen, _http(application, listen)):
        yield


@asynccontextmanager
async def _http(application: web.Application, listen: str) -> AsyncIterator[None]:
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    path = unix_path(listen)
    try:
        if path is None:
            await web.TCPSite(runner, *split_address(listen)).start()
        else:
            await web.UnixSite(runner, path).start()
    except OSError as error:
        await runner.cleanup()
        raise OperatorError(f"cannot listen on {listen}: {error.strerror}") from error
    try:
        yield
    finally:
        await runner.cleanup()
