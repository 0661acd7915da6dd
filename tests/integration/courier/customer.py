"""A tenant with one key, as the ledger made them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tollkeeper.credential import Credential


@dataclass(frozen=True)
class Customer:
    tenant_id: str
    key_id: str
    partition: int
    credential: Credential
