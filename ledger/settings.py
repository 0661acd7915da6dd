"""What the ledger is told when it starts."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from tollkeeper.credential import PARTITIONS_MAX
from tollkeeper.runtime.settings import Address, Settings


class LedgerSettings(Settings):
    ledger_listen: Address = "127.0.0.1:18020"
    ledger_metrics_listen: Address = "127.0.0.1:18120"
    postgres_url: str = Field(repr=False, description="postgresql://user:password@host:port/name")
    partitions: int = Field(
        default=64,
        ge=1,
        le=PARTITIONS_MAX,
        description="into how many partitions the tenants fall in Redis; fixed at installation",
    )
    plans_file: Path | None = Field(
        default=None, description="the plan catalogue; without it, the one that comes with us"
    )
