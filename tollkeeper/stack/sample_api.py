"""A stand-in for the API that is sold: it answers any path with what it saw of the request.

So a newcomer sees `x-tollkeeper-*` arrive and the credential gone. `/status/{code}` answers that
status. Run as `python -m tollkeeper.stack.sample_api --listen HOST:PORT`.
"""

from __future__ import annotations

import argparse
import sys
from functools import partial
from typing import TYPE_CHECKING

from aiohttp import web

from tollkeeper.runtime.lifecycle import run
from tollkeeper.runtime.probes import serve_http

if TYPE_CHECKING:
    import asyncio

_STATUS_MIN, _STATUS_MAX = 200, 599


def application() -> web.Application:
    made = web.Application()
    made.router.add_route("*", "/status/{code:[0-9]{3}}", _status)
    made.router.add_route("*", "/{path:.*}", _echo)
    return made


async def serve(listen: str, stop: asyncio.Event) -> None:
    async with serve_http(application(), listen):
        await stop.wait()


async def _echo(request: web.Request) -> web.Response:
    return web.json_response(_seen(request))


async def _status(request: web.Request) -> web.Response:
    code = int(request.match_info["code"])
    if not _STATUS_MIN <= code <= _STATUS_MAX:
        return web.json_response({"error": f"no such status: {code}"}, status=400)
    return web.json_response(_seen(request), status=code)


def _seen(request: web.Request) -> dict[str, object]:
    return {
        "method": request.method,
        "path": request.path_qs,
        "headers": {name.lower(): value for name, value in request.headers.items()},
    }


def main() -> int:
    parser = argparse.ArgumentParser(description="The sample API behind the gateway.")
    parser.add_argument("--listen", required=True, metavar="HOST:PORT")
    return run(partial(serve, parser.parse_args().listen))


if __name__ == "__main__":
    sys.exit(main())
