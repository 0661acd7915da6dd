"""What `tollkeeper up` was asked for."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict

from tollkeeper.stack.directory import StackDirectory
from tollkeeper.stack.ports import PORT_BASE, Ports


class UpOptions(BaseModel):
    model_config = ConfigDict(frozen=True)

    path: Path
    port_base: int = PORT_BASE
    workers: int = 1
    # Servers of the user's own; then the stack starts none.
    redis_url: str | None = None
    postgres_url: str | None = None

    @property
    def directory(self) -> StackDirectory:
        return StackDirectory(self.path)

    @property
    def ports(self) -> Ports:
        return Ports(self.port_base, self.workers)

    @property
    def wanted_ports(self) -> dict[str, list[int]]:
        """The ports of the parts that the stack starts itself."""
        yours = {"redis": self.redis_url, "postgres": self.postgres_url}
        return {part: ports for part, ports in self.ports.by_part.items() if not yours.get(part)}
