"""What peers did wrong, in the log: told at most once a second, however many they are."""

from __future__ import annotations

import structlog

log = structlog.get_logger(__name__)

# A line costs more than what it complains of: whoever provokes many would slow the others down.
_SECONDS = 1.0

_next_at = 0.0
_untold = 0


def complain(event: str, now: float, **facts: str) -> None:
    """Log it, or count it until the next is logged."""
    global _next_at, _untold  # noqa: PLW0603 - of the process, as its log is
    if now < _next_at:
        _untold += 1
        return
    log.info(event, **facts, untold_before=_untold)
    _next_at, _untold = now + _SECONDS, 0
