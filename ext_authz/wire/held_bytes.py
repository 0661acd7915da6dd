"""Memory that peers make us hold: messages whose end has not come yet."""

from __future__ import annotations

from ext_authz.wire import limits


class HeldBytes:
    """Of one connection; all connections of the process share the total."""

    total = 0

    def __init__(self) -> None:
        self._held = 0

    def take(self, size: int) -> bool:
        """False, and nothing is taken, when it is too much to hold."""
        if (
            self._held + size > limits.HELD_BYTES_MAX_OF_CONNECTION
            or HeldBytes.total + size > limits.HELD_BYTES_MAX
        ):
            return False
        self._held += size
        HeldBytes.total += size
        return True

    def give_back(self, size: int) -> None:
        self._held -= size
        HeldBytes.total -= size
