"""Something to put under load: a subject itself, or Envoy with a subject behind it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from bench.check_request import HTTP_HEADERS, METHOD, PATH, check_request, grpc_message

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import psutil

# As many as Envoy has with four worker threads; a server must not depend on one.
_CONNECTIONS_MAX = 4


@dataclass(frozen=True)
class Target:
    name: str
    title: str
    # From how many in flight to what h2load is told.
    arguments: Callable[[int], list[str]]
    asks_redis: bool
    server: psutil.Process | None
    envoy: psutil.Process | None = None


def direct_arguments(address: str, key: str, folder: Path) -> Callable[[int], list[str]]:
    """Checks as gRPC calls over a few connections."""
    body = folder / "check.bin"
    body.write_bytes(grpc_message(check_request(key)))

    def arguments(in_flight: int) -> list[str]:
        connections = min(_CONNECTIONS_MAX, in_flight)
        return [
            *("--clients", str(connections)),
            *("--max-concurrent-streams", str(in_flight // connections)),
            *("--data", str(body)),
            *("--header", "content-type: application/grpc"),
            *("--header", "te: trailers"),
            f"http://{address}{METHOD}",
        ]

    return arguments


def envoy_arguments(address: str, key: str) -> Callable[[int], list[str]]:
    """API calls over HTTP/1.1, one at a time on each connection."""
    headers = {**HTTP_HEADERS, "x-api-key": key}

    def arguments(connections: int) -> list[str]:
        return [
            "--h1",
            *("--clients", str(connections)),
            *(part for pair in headers.items() for part in ("--header", ": ".join(pair))),
            f"http://{address}{PATH}",
        ]

    return arguments
