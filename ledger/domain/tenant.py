"""Tenants: the customers to whom the API is sold."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from ledger.domain.refusal import Refusal, invalid

if TYPE_CHECKING:
    from datetime import datetime

TenantStatus = Literal["active", "suspended"]

ID_PREFIX = "tn"
_NAME_LENGTH_MAX = 128


@dataclass(frozen=True)
class Tenant:
    id: str
    name: str
    plan_id: str
    status: TenantStatus
    partition: int
    created_at: datetime


def tenant_name(text: str) -> str | Refusal:
    """A name without blanks around it, which never looks like an identifier."""
    name = text.strip()
    if not name:
        return invalid("a tenant's name must not be empty")
    if len(name) > _NAME_LENGTH_MAX:
        return invalid(f"a tenant's name has at most {_NAME_LENGTH_MAX} characters")
    if not name.isprintable():
        return invalid("a tenant's name must be of printable characters")
    if name.startswith(f"{ID_PREFIX}_"):
        return invalid(f"a tenant's name must not begin with {ID_PREFIX}_, as identifiers do")
    return name
