"""Where a server is."""

from __future__ import annotations

from typing import Any, NamedTuple


class Place(NamedTuple):
    host: str
    """Or the path of a Unix socket; then the port is 0."""
    port: int

    def __str__(self) -> str:
        if not self.port:
            return self.host
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    def as_options(self) -> dict[str, Any]:
        """For a connection of redis-py."""
        return {"host": self.host, "port": self.port} if self.port else {"path": self.host}
