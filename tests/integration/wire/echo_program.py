"""A process that serves `Echo`, as the gate serves its checks."""

from __future__ import annotations

import argparse
import sys
from functools import partial
from typing import TYPE_CHECKING

from ext_authz.wire.server import serve_wire
from tests.integration.wire.echo import SERVICE, Echo
from tollkeeper.runtime.lifecycle import run

if TYPE_CHECKING:
    import asyncio


async def serve(listen: str, stop: asyncio.Event) -> None:
    async with serve_wire(listen, Echo().methods, [SERVICE], drain_timeout_seconds=5):
        await stop.wait()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--listen", required=True, metavar="HOST:PORT")
    sys.exit(run(partial(serve, parser.parse_args().listen)))
