"""A question that waits for its answer, whatever transport brought it."""

from __future__ import annotations

from typing import Protocol


class Exchange(Protocol):
    """Exactly one of the two methods is called, once, from the event loop's thread."""

    deadline: float
    """On the event loop's clock; infinite when there is none."""

    def answer(self, message: bytes) -> None:
        """A serialised `envoy.service.auth.v3.CheckResponse`."""

    def fail(self, status: int, message: str) -> None:
        """A gRPC status other than OK: no verdict, hence 503 at Envoy."""
