"""How each refusal is told to the caller: RFC 9457 problem details, HTTP and gRPC status."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import orjson

from ext_authz.decision import Reason

if TYPE_CHECKING:
    from ext_authz.decision import Denied

CONTENT_TYPE = "application/problem+json"
# A URN names the problem without promising a page that might not be there.
_TYPE_PREFIX = "urn:tollkeeper:problem:"


@dataclass(frozen=True, slots=True)
class Problem:
    """`http_status` for HTTP callers; `grpc_status` for gRPC ones, by its number."""

    http_status: int
    grpc_status: int
    title: str
    detail: str


_INVALID_ARGUMENT, _PERMISSION_DENIED, _RESOURCE_EXHAUSTED, _UNAUTHENTICATED = 3, 7, 8, 16

PROBLEMS = {
    Reason.CREDENTIAL_MISSING: Problem(
        401,
        _UNAUTHENTICATED,
        "No API key",
        "Send your API key as `Authorization: Bearer tk_…` or `X-API-Key: tk_…`.",
    ),
    Reason.CREDENTIAL_MALFORMED: Problem(
        401,
        _UNAUTHENTICATED,
        "Malformed API key",
        "The API key is not well formed, or more than one was sent. Send exactly one, unchanged.",
    ),
    Reason.PATH_MALFORMED: Problem(
        400,
        _INVALID_ARGUMENT,
        "Malformed path",
        "The path is too long, or could be read in more than one way.",
    ),
    Reason.CREDENTIAL_UNKNOWN: Problem(
        401, _UNAUTHENTICATED, "Unknown API key", "No such API key exists."
    ),
    Reason.CREDENTIAL_REVOKED: Problem(
        401, _UNAUTHENTICATED, "Revoked API key", "This API key was revoked. Create a new one."
    ),
    Reason.CREDENTIAL_EXPIRED: Problem(
        401, _UNAUTHENTICATED, "Expired API key", "This API key has expired. Create a new one."
    ),
    Reason.TENANT_SUSPENDED: Problem(
        403, _PERMISSION_DENIED, "Account suspended", "This account is suspended."
    ),
    Reason.SCOPE_MISSING: Problem(
        403, _PERMISSION_DENIED, "Scope missing", "This API key lacks the scope for this call."
    ),
    Reason.BURST_EXCEEDED: Problem(
        429, _RESOURCE_EXHAUSTED, "Too many calls at once", "Slow down and retry after a moment."
    ),
    Reason.RATE_EXCEEDED: Problem(
        429, _RESOURCE_EXHAUSTED, "Too many calls per minute", "Slow down and retry later."
    ),
    Reason.QUOTA_EXCEEDED: Problem(
        429,
        _RESOURCE_EXHAUSTED,
        "Quota used up",
        "The quota of this billing period is used up. Upgrade, or wait for the next period.",
    ),
}

_POLICIES = {Reason.BURST_EXCEEDED: "burst", Reason.RATE_EXCEEDED: "rate"}


def violated_policy(denied: Denied, metric: str) -> str:
    """The policy's name as in the `RateLimit-Policy` header; empty when no limit was hit."""
    if denied.reason is Reason.QUOTA_EXCEEDED:
        return metric
    return _POLICIES.get(denied.reason, "")


def body(denied: Denied, metric: str, upgrade_url: str) -> bytes:
    """The JSON document for the caller."""
    problem = PROBLEMS[denied.reason]
    members: dict[str, Any] = {
        "type": _TYPE_PREFIX + denied.reason,
        "title": problem.title,
        "status": problem.http_status,
        "detail": problem.detail,
        "reason": denied.reason,
        "decision_id": denied.decision_id,
    }
    if policy := violated_policy(denied, metric):
        members["violated-policies"] = [policy]
    if denied.retry_after_seconds:
        members["retry_after_seconds"] = denied.retry_after_seconds
    if upgrade_url and denied.reason is Reason.QUOTA_EXCEEDED:
        members["upgrade_url"] = upgrade_url
    return orjson.dumps(members)
