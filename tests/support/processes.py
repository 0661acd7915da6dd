"""The processes of a running stack."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.support.local_stack import LocalStack


def process_id(stack: LocalStack, part: str) -> int | None:
    """None while the part does not run."""
    rows = stack.status()["parts"]
    return next(
        (row["pid"] for row in rows if row["name"] == part and row["state"] == "running"), None
    )
