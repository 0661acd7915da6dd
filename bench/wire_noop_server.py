"""Our own transport, allowing every check without a thought: `noop_server.py`'s counterpart."""

from __future__ import annotations

import argparse
import asyncio
from typing import TYPE_CHECKING

import uvloop
from envoy.service.auth.v3 import external_auth_pb2

from ext_authz.service import SERVICE_NAME
from ext_authz.wire.server import serve_wire

if TYPE_CHECKING:
    from ext_authz.wire.stream import Stream

_ALLOWED = external_auth_pb2.CheckResponse()
_ALLOWED.status.code = 0
_ALLOWED.ok_response.SetInParent()


def check(message: bytes, stream: Stream) -> None:
    # Both are read and written for each check, as grpc.aio does it.
    external_auth_pb2.CheckRequest.FromString(message)
    stream.answer(_ALLOWED.SerializeToString())


async def serve(listen: str) -> None:
    methods = {f"/{SERVICE_NAME}/Check": check}
    async with serve_wire(listen, methods, [SERVICE_NAME], drain_timeout_seconds=1):
        await asyncio.Event().wait()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--listen", required=True, metavar="HOST:PORT")
    uvloop.run(serve(parser.parse_args().listen))
