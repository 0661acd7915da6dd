"""Why a request is refused: a value, not an exception."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Refusal:
    """`detail` is one sentence for whoever sent the request."""

    kind: Literal["invalid", "not_found", "exists"]
    detail: str


def invalid(detail: str) -> Refusal:
    return Refusal("invalid", detail)


def no_such(what: str, reference: str) -> Refusal:
    return Refusal("not_found", f"no {what} {reference!r}")
