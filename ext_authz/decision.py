"""A decision is a value with a reason."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ext_authz.records import KeyRecord


class Reason(StrEnum):
    """Why a call was refused, in the order in which the rules are tried; the first wins.

    The label in metrics, logs, response bodies and on the command line.
    """

    CREDENTIAL_MISSING = "credential_missing"
    CREDENTIAL_MALFORMED = "credential_malformed"
    PATH_MALFORMED = "path_malformed"
    CREDENTIAL_UNKNOWN = "credential_unknown"
    CREDENTIAL_REVOKED = "credential_revoked"
    CREDENTIAL_EXPIRED = "credential_expired"
    TENANT_SUSPENDED = "tenant_suspended"
    SCOPE_MISSING = "scope_missing"
    BURST_EXCEEDED = "burst_exceeded"
    RATE_EXCEEDED = "rate_exceeded"
    QUOTA_EXCEEDED = "quota_exceeded"


@dataclass(frozen=True, slots=True)
class Limit:
    """One limit as the caller sees it, in units and whole seconds."""

    name: str
    quota: int
    window_seconds: int
    left: int
    reset_seconds: int


@dataclass(frozen=True, slots=True)
class Identity:
    """Whose call it is, as far as it is known."""

    tenant: str = ""
    key: str = ""
    plan: str = ""


@dataclass(slots=True)
class Allowed:
    """The call may pass. Its units are reserved under `decision_id`, the charge id.

    Not frozen: made for every call, and freezing costs as much as all the rest of making it.
    """

    decision_id: str
    record: KeyRecord
    now: int
    """When Redis admitted it, microseconds since the Unix epoch."""
    burst_full_after: int
    """Microseconds until the bucket is full again."""
    rate_left: int
    used: int
    """Units of the metric used in the period, this call's included."""


@dataclass(frozen=True, slots=True)
class Denied:
    """The call may not pass. `retry_after_seconds` is 0 when waiting does not help."""

    decision_id: str
    reason: Reason
    identity: Identity = Identity()
    limits: tuple[Limit, ...] = ()
    retry_after_seconds: int = 0


Decision = Allowed | Denied


class NoVerdictError(Exception):
    """The gate could not decide. Never an allow: the RPC fails, and Envoy answers 503."""
