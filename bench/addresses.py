"""Free addresses on this machine."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tollkeeper.stack.ports import HOST, is_free

if TYPE_CHECKING:
    from collections.abc import Iterator

# Below the ports that the system gives to outgoing connections, above those of the tests.
_PORTS = range(32_100, 32_700)


def free_addresses() -> Iterator[str]:
    """`HOST:PORT`, each once."""
    return (f"{HOST}:{port}" for port in _PORTS if is_free(port))
