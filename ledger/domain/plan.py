"""A plan: what a tenant may do and what it costs."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from pydantic import TypeAdapter

from ledger.domain.price import Money, UnitPrice  # noqa: TC001 - pydantic reads them

Cap = Literal["hard", "soft", "none"]

UNLIMITED = -1
"""How the gate writes "no limit"."""


@dataclass(frozen=True)
class RateLimits:
    burst_per_second: int
    burst_capacity: int
    rate_per_minute: int

    @property
    def burst_interval_micros(self) -> int:
        return 1_000_000 // self.burst_per_second


@dataclass(frozen=True)
class Quota:
    metric: str
    included: int | None
    """None: unlimited."""
    cap: Cap
    grace_percent: int
    overage: UnitPrice | None

    @property
    def gate_limit(self) -> int:
        """The gate refuses the first unit past this; UNLIMITED when it never refuses."""
        if self.included is None or self.cap == "none":
            return UNLIMITED
        return self.included + self.included * self.grace_percent // 100


@dataclass(frozen=True)
class Plan:
    id: str
    name: str
    base_price: Money
    limits: RateLimits
    quotas: tuple[Quota, ...]

    @property
    def document(self) -> str:
        """The plan as JSON, as PostgreSQL keeps it."""
        return _ADAPTER.dump_json(self).decode()

    @property
    def digest(self) -> bytes:
        return hashlib.sha256(self.document.encode()).digest()


# An installation has a handful of plans, and each of its tenants' policies needs one of them.
@lru_cache(maxsize=64)
def plan_from_document(document: str) -> Plan:
    return _ADAPTER.validate_json(document)


_ADAPTER = TypeAdapter(Plan)
